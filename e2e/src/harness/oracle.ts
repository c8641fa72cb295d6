import { isDeepStrictEqual } from 'node:util';
import { evidenceBytes, parseEvidence } from '@sink/domain';
import { lastSeen } from './last-seen.ts';
import { Pipeline } from './pipeline.ts';
import { type Producers, type Try, tryOf, tryOfRefused } from './producer.ts';

export interface Verdict {
  readonly stored: number;
  /** Events in quarantine. */
  readonly quarantined: number;
  /** Attempts that were acknowledged but are in no object, with the ingest, the time, and where each was last seen. */
  readonly lost: string[];
  /** Attempts that are stored in more than one place, with the objects. */
  readonly doubled: string[];
  /** Events in an object that were never sent, or were sent with other content. */
  readonly unknown: string[];
  /** Keys that were overwritten with other bytes. */
  readonly overwritten: string[];
}

/** A sink whose bucket can be read: the processes of this machine, or one in a cluster. */
export interface Judged extends Pick<Pipeline, 'objects'> {
  readonly s3: { readonly control: Pick<Pipeline['s3']['control'], 'overwrites'> };
}

/** The default of `quarantine_prefix`. */
const QUARANTINE_PREFIX = 'quarantine/';

/**
 * Compares every acknowledgement with the content of the bucket.
 *
 * @param sameEvent what must be stored once: each attempt; with dedupe each event, by any of its attempts
 */
export async function judge(
  pipeline: Judged,
  { tries }: Pick<Producers, 'tries'>,
  sameEvent: (event: Readonly<Record<string, unknown>>) => string = tryOf,
): Promise<Verdict> {
  const places = new Map<string, string[]>();
  const inQuarantine = new Map<string, string[]>();
  const unknown: string[] = [];
  const note = (found: Map<string, string[]>, name: string, key: string): void =>
    void found.set(name, [...(found.get(name) ?? []), key]);
  for (const [key, lines] of await pipeline.objects()) {
    for (const line of lines) {
      if (key.startsWith(QUARANTINE_PREFIX)) {
        const evidence = parseEvidence(line);
        const text = evidenceBytes(evidence).toString();
        const name = tryOfRefused(text);
        if (tries.get(name)?.refused !== text) unknown.push(`${key}: ${line}`);
        note(inQuarantine, `the refused ${name}`, key);
        note(inQuarantine, `the evidence ${evidence.id}`, key);
        continue;
      }
      const event = JSON.parse(line) as Record<string, unknown>;
      const one = tries.get(tryOf(event));
      const sent = one?.refused === undefined ? (one?.event ?? {}) : {};
      if (!isDeepStrictEqual(withTextAttributes(event), withTextAttributes(sent))) {
        unknown.push(`${key}: ${line}`);
      }
      note(places, sameEvent(event), key);
    }
  }
  const acknowledgedTries = [...tries].flatMap(([name, { acknowledged, event, refused }]) =>
    acknowledged === null ? [] : [{ name, acknowledged, event, refused }],
  );
  const missing = acknowledgedTries.filter(
    ({ event, refused }) => refused === undefined && !places.has(sameEvent(event)),
  );
  const notKept = acknowledgedTries.filter(
    ({ name, refused }) => refused !== undefined && !inQuarantine.has(`the refused ${name}`),
  );
  return {
    stored: places.size,
    quarantined: inQuarantine.size / 2,
    lost: [
      ...(missing.length === 0 ? [] : await describeLost(pipeline, missing, sameEvent)),
      ...notKept.map(
        ({ name, acknowledged: { by, at } }) => `the refused ${name}, acknowledged by ${by} at ${at.toISOString()}`,
      ),
    ],
    doubled: [...places, ...inQuarantine]
      .filter(([, keys]) => keys.length > 1)
      .map(([name, keys]) => `${name} in ${keys.join(' and ')}`),
    unknown,
    overwritten: (await pipeline.s3.control.overwrites()).map(({ key }) => key),
  };
}

async function describeLost(
  pipeline: Judged,
  missing: readonly { name: string; acknowledged: NonNullable<Try['acknowledged']>; event: Try['event'] }[],
  nameOf: (event: Try['event']) => string,
): Promise<string[]> {
  const seen =
    pipeline instanceof Pipeline ? await lastSeen(pipeline, new Set(await pipeline.s3.control.keys()), nameOf) : null;
  return missing.map(({ name, acknowledged: { by, at }, event }) => {
    const where = seen?.of(nameOf(event), at.getTime()) ?? 'not looked for';
    return `${name}, acknowledged by ${by} at ${at.toISOString()}, last seen: ${where}`;
  });
}

/** In binary mode an attribute has no type: a number is stored as text. */
function withTextAttributes({ data, ...attributes }: Record<string, unknown>): Record<string, unknown> {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  const texts = given.map(([name, value]) => [name, String(value)] as const);
  return { data, ...Object.fromEntries(texts) };
}

export const FAULTLESS = { lost: [], doubled: [], unknown: [], overwritten: [] };
