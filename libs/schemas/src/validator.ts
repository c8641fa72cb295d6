import { dataOf, dataschemaOf } from '@sink/cloudevents';
import { CONFORM, type InvalidEvent, type Judged, type ValidationResult } from './judged.ts';
import { type Allowance, newAllowance, type Verdict } from './schemas.ts';

export interface ValidatorSettings {
  readonly mode: 'known' | 'strict';
  readonly onAway: 'accept' | 'refuse';
}

export interface ValidatorPorts {
  readonly schemas: { check(uri: string, data: string, allowance: Allowance): Verdict | Promise<Verdict> };
  readonly count: (result: ValidationResult) => void;
}

const TIMED_OUT: Verdict = { kind: 'away', why: 'its schema did not come in time' };
const URI_CHARACTERS_MAX = 100;

/** Judges events by their schemas, as `validate` and `on_registry_away` want it. */
export class Validator {
  readonly #settings: ValidatorSettings;
  readonly #ports: ValidatorPorts;

  constructor(settings: ValidatorSettings, ports: ValidatorPorts) {
    this.#settings = settings;
    this.#ports = ports;
  }

  /** Never rejects. @param leftMs how long the events may wait for schemas, and for evaluations in a thread */
  check(lines: readonly string[], leftMs: number): Judged | Promise<Judged> {
    const judging = new Judging(this.#settings, this.#ports.count);
    const waits: Promise<void>[] = [];
    const allowance = newAllowance(performance.now() + leftMs);
    let late: Promise<Verdict> | null = null;
    for (const [index, line] of lines.entries()) {
      const uri = dataschemaOf(line);
      if (uri === null) {
        judging.without(index, 'no_schema', 'it has no dataschema');
        continue;
      }
      const data = dataOf(line);
      if (data === null) {
        judging.without(index, 'no_json', 'its data is absent or not JSON, and its dataschema is a JSON Schema');
        continue;
      }
      const verdict = this.#verdict(uri, data, allowance);
      if (!(verdict instanceof Promise)) judging.add(index, uri, verdict);
      else {
        late ??= timedOut(leftMs);
        waits.push(Promise.race([verdict, late]).then((found) => judging.add(index, uri, found)));
      }
    }
    return waits.length === 0 ? judging.judged : Promise.all(waits).then(() => judging.judged);
  }

  #verdict(uri: string, data: string, allowance: Allowance): Verdict | Promise<Verdict> {
    try {
      const verdict = this.#ports.schemas.check(uri, data, allowance);
      return verdict instanceof Promise ? verdict.catch(failed) : verdict;
    } catch (error) {
      return failed(error);
    }
  }
}

/** Gathers the verdicts on the events of one message. */
class Judging {
  readonly #settings: ValidatorSettings;
  readonly #count: (result: ValidationResult) => void;
  readonly #invalid: InvalidEvent[] = [];
  #away: string | null = null;

  constructor(settings: ValidatorSettings, count: (result: ValidationResult) => void) {
    this.#settings = settings;
    this.#count = count;
  }

  get judged(): Judged {
    // Nothing is decided of a message of which a part cannot be judged: it comes again.
    if (this.#away !== null) return { kind: 'away', why: this.#away };
    if (this.#invalid.length === 0) return CONFORM;
    return { kind: 'invalid', events: this.#invalid.toSorted((a, b) => a.index - b.index) };
  }

  add(index: number, uri: string, verdict: Verdict): void {
    switch (verdict.kind) {
      case 'valid':
        this.#count('valid');
        break;
      case 'invalid': {
        this.#count('invalid');
        const place = verdict.at === '' ? 'its data' : `its data at ${JSON.stringify(verdict.at)}`;
        this.#invalid.push({ index, message: `${place} ${verdict.message} (${verdict.keyword} in ${shown(uri)})` });
        break;
      }
      case 'absent':
        this.without(index, 'not_found', `its dataschema ${shown(uri)} is not found: ${verdict.why}`);
        break;
      case 'unusable':
      case 'failed':
        this.without(index, 'unusable', `its dataschema ${shown(uri)} cannot be used: ${verdict.why}`);
        break;
      case 'away':
        this.#count('away');
        if (this.#settings.onAway === 'refuse') this.#away ??= `${shown(uri)}: ${verdict.why}`;
        break;
    }
  }

  /** An event that no schema says anything of. */
  without(index: number, result: ValidationResult, message: string): void {
    this.#count(result);
    if (this.#settings.mode === 'strict') this.#invalid.push({ index, message });
  }
}

function failed(error: unknown): Verdict {
  return { kind: 'away', why: `its evaluation failed: ${String(error).slice(0, 100)}` };
}

function timedOut(afterMs: number): Promise<Verdict> {
  const { promise, resolve } = Promise.withResolvers<Verdict>();
  setTimeout(() => resolve(TIMED_OUT), Math.max(0, afterMs)).unref();
  return promise;
}

function shown(uri: string): string {
  return JSON.stringify(uri.length > URI_CHARACTERS_MAX ? `${uri.slice(0, URI_CHARACTERS_MAX)}…` : uri);
}
