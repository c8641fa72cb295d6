import type { AppendOutcome, EventAppender } from './appender.ts';
import { settleTogether } from './submission.ts';

/**
 * Gives each event to the lane that its fingerprint says, so that all replicas look for its first copy in the same place.
 * A request whose events go to several lanes is stored when all its parts are; where some parts were refused it is in
 * doubt, and a retry is harmless: what was stored is known by then.
 */
export class ByFingerprint implements EventAppender {
  readonly #lanes: readonly EventAppender[];
  readonly #fingerprint: (line: string) => Buffer;

  constructor(lanes: readonly EventAppender[], fingerprint: (line: string) => Buffer) {
    this.#lanes = lanes;
    this.#fingerprint = fingerprint;
  }

  submit(lines: readonly string[], settled: (outcome: AppendOutcome) => void, heldMs: number): void {
    const parts = new Map<EventAppender, string[]>();
    for (const line of lines) {
      const lane = this.#lanes[this.#fingerprint(line).readUInt32BE(0) % this.#lanes.length];
      if (!lane) throw new Error('submitting events: there is no lane');
      const part = parts.get(lane);
      if (part) part.push(line);
      else parts.set(lane, [line]);
    }
    const settle = settleTogether(parts.size, settled);
    for (const [lane, part] of parts) lane.submit(part, settle, heldMs);
  }
}
