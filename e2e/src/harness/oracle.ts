import type { Pipeline } from './pipeline.ts';
import type { Producers } from './producer.ts';

export interface Verdict {
  readonly stored: number;
  /** Acknowledged, but in no object. */
  readonly lost: string[];
  /** In more than one place. */
  readonly doubled: string[];
  /** In an object, but never sent like this. */
  readonly unknown: string[];
  /** Keys that were written again with other bytes. */
  readonly overwritten: string[];
}

/** Holds every acknowledgement against what stands in the bucket. */
export async function judge(pipeline: Pipeline, producers: Pick<Producers, 'acknowledged' | 'sent'>): Promise<Verdict> {
  const seen = new Map<string, number>();
  for (const lines of (await pipeline.objects()).values()) {
    for (const line of lines) {
      const { id } = JSON.parse(line) as { id: string };
      seen.set(id, (seen.get(id) ?? 0) + 1);
    }
  }
  const ids = [...seen.keys()];
  return {
    stored: ids.length,
    lost: [...producers.acknowledged].filter((id) => !seen.has(id)),
    doubled: ids.filter((id) => (seen.get(id) ?? 0) > 1),
    unknown: ids.filter((id) => !producers.sent.has(id)),
    overwritten: (await pipeline.s3.control.overwrites()).map(({ key }) => key),
  };
}

export const FAULTLESS = { lost: [], doubled: [], unknown: [], overwritten: [] };
