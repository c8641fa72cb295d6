import { isDeepStrictEqual } from 'node:util';
import type { Pipeline } from './pipeline.ts';
import { type Producers, tryOf } from './producer.ts';

export interface Verdict {
  readonly stored: number;
  /** Tries that were acknowledged, but stand in no object; with who acknowledged them, and when. */
  readonly lost: string[];
  /** Tries in more than one place; with the objects. */
  readonly doubled: string[];
  /** In an object, but never sent, or not like this. */
  readonly unknown: string[];
  /** Keys that were written again with other bytes. */
  readonly overwritten: string[];
}

/**
 * Holds every acknowledgement against what stands in the bucket.
 *
 * @param sameEvent what must stand there once: each try for itself, or with dedupe the event, whichever try of it was stored
 */
export async function judge(
  pipeline: Pipeline,
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
  const lost: string[] = [];
  for (const [name, { acknowledged, event }] of tries) {
    if (acknowledged === null || places.has(sameEvent(event))) continue;
    lost.push(`${name}, acknowledged by ${acknowledged.by} at ${acknowledged.at.toISOString()}`);
  }
  return {
    stored: places.size,
    lost,
    doubled: [...places]
      .filter(([, keys]) => keys.length > 1)
      .map(([name, keys]) => `${name} in ${keys.join(' and ')}`),
    unknown,
    overwritten: (await pipeline.s3.control.overwrites()).map(({ key }) => key),
  };
}

/** In binary mode an attribute has no type: a number comes out as text. */
function withTextAttributes({ data, ...attributes }: Record<string, unknown>): Record<string, unknown> {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  const texts = given.map(([name, value]) => [name, String(value)] as const);
  return { data, ...Object.fromEntries(texts) };
}

export const FAULTLESS = { lost: [], doubled: [], unknown: [], overwritten: [] };
