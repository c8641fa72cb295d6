import { setTimeout as sleep } from 'node:timers/promises';
import { judge, type Judged } from '../harness/oracle.ts';
import type { ClusterS3 } from './helpers.ts';
import type { Load } from './load.ts';
import type { Part } from './report.ts';

/** How long the sink may take, after the load, until everything that was acknowledged is in the bucket. */
const STORED_MAX_MS = 120_000;
const LISTED_MAX = 3;

/** The event of helm test, which no producer sent. */
const OF_HELM_TEST = '"source":"/sink-aws-s3/try"';

/** Stops the producers, waits until all is stored, and compares every acknowledgement with the bucket. */
export async function judgeRun(part: Part, loads: readonly Load[], s3: ClusterS3): Promise<void> {
  await Promise.all(loads.map((load) => load.stop()));
  const tries = new Map((await Promise.all(loads.map((load) => load.tries()))).flatMap((some) => [...some]));
  const endMs = performance.now() + STORED_MAX_MS;
  const judged: Judged = {
    s3: s3.s3,
    objects: async () => {
      const objects = [...(await s3.objects())];
      return new Map(objects.map(([key, lines]) => [key, lines.filter((line) => !line.includes(OF_HELM_TEST))]));
    },
  };
  let verdict = await judge(judged, { tries });
  while (verdict.lost.length > 0 && performance.now() < endMs) {
    await sleep(2_000);
    verdict = await judge(judged, { tries });
  }
  const acknowledged = [...tries.values()].filter((one) => one.acknowledged !== null).length;
  const { stored, lost, doubled, unknown, overwritten } = verdict;
  part.check(
    'nothing is lost',
    lost.length === 0 && acknowledged > 0,
    seen(`${acknowledged} events acknowledged`, lost),
  );
  part.check('nothing is stored twice', doubled.length === 0, seen(`${stored} events stored`, doubled));
  part.check('nothing is stored that was not sent', unknown.length === 0, seen('all as they were sent', unknown));
  part.check('no object is overwritten', overwritten.length === 0, seen('each key was written once', overwritten));
}

function seen(good: string, bad: readonly string[]): string {
  return bad.length === 0 ? good : `${bad.length}: ${bad.slice(0, LISTED_MAX).join('; ')}`;
}
