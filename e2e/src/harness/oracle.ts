import { isDeepStrictEqual } from 'node:util';
import { lastSeen } from './last-seen.ts';
import { Pipeline } from './pipeline.ts';
import { type Producers, type Try, tryOf } from './producer.ts';

export interface Verdict {
  readonly stored: number;
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
  const unknown: string[] = [];
  for (const [key, lines] of await pipeline.objects()) {
    for (const line of lines) {
      const event = JSON.parse(line) as Record<string, unknown>;
      const sent = tries.get(tryOf(event))?.event ?? {};
      if (!isDeepStrictEqual(withTextAttributes(event), withTextAttributes(sent))) {
        unknown.push(`${key}: ${line}`);
      }
      const name = sameEvent(event);
      places.set(name, [...(places.get(name) ?? []), key]);
    }
  }
  const missing = [...tries].flatMap(([name, { acknowledged, event }]) =>
    acknowledged === null || places.has(sameEvent(event)) ? [] : [{ name, acknowledged, event }],
  );
  return {
    stored: places.size,
    lost: missing.length === 0 ? [] : await describeLost(pipeline, missing, sameEvent),
    doubled: [...places]
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
