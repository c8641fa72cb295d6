import { describeFault } from './plan.ts';
import type { TortureResult } from './torture.ts';

/** No process may take more, whatever is slow, full or unavailable. Idle processes take around 150 MiB. */
const RSS_MIB_MAX = 300;

/** The broken promises, one in each line. A good run has none. */
export function brokenPromises(result: TortureResult): string[] {
  const kinds = ['lost', 'doubled', 'unknown', 'overwritten', 'stuck', 'leftovers', 'died'] as const;
  const large = Object.entries(result.rssPeakBytes).filter(([, bytes]) => bytes > RSS_MIB_MAX * 2 ** 20);
  return [
    ...kinds.flatMap((kind) => result[kind].map((what) => `${kind}: ${what}`)),
    ...large.map(
      ([kind, bytes]) => `memory: ${kind} took ${Math.round(bytes / 2 ** 20)} MiB, not ${RSS_MIB_MAX} at most`,
    ),
  ];
}

/** The result on one page. If a promise was broken, with the plan of the faults and every event in question. */
export function page(result: TortureResult): string {
  const { lost, doubled, unknown, overwritten } = result;
  const mebibytes = Object.entries(result.rssPeakBytes).map(
    ([kind, bytes]) => `${kind} ${Math.round(bytes / 2 ** 20)}`,
  );
  const broken = brokenPromises(result);
  const plan = result.plan.map(describeFault);
  return [
    `seed ${result.seed}, ${result.seconds.toFixed(0)} s of faults, ${result.ingestWorkers} worker(s) an ingest${result.dedupe ? ', dedupe' : ''}`,
    `faults        ${list(result.struck)}`,
    ...(result.disk ? [] : ['left out      disk_full: no tmpfs may be mounted here']),
    `answers       ${list(result.answers)}`,
    `tries         ${result.tries}, acknowledged ${result.acknowledged}, stored ${result.stored} and in quarantine ${result.quarantined}, in ${result.objects} objects`,
    `lost ${lost.length}, twice ${doubled.length}, unknown ${unknown.length}, overwritten ${overwritten.length}`,
    `left behind   ${result.leftovers.length}`,
    `died          ${result.died.length}`,
    `stuck         ${result.stuck.length}`,
    `came back     ${result.recoverySeconds.toFixed(1)} s after the last fault`,
    `most RSS, MiB ${mebibytes.join(', ')}`,
    ...(broken.length === 0 ? [] : ['', 'BROKEN', ...broken, '', 'the plan', ...plan]),
  ].join('\n');
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
