import type { OutageOptions, OutageResult } from './outage.ts';

const RSS_BYTES_MAX = 300 * 1024 * 1024;
/** The limit refuses events. The records of the segments that are sealed from them are above it. */
const BACKLOG_EXCESS_MAX = 1.1;

/** The broken promises, one in each line. A good run has none. */
export function brokenPromises(
  result: OutageResult,
  limits: Pick<OutageOptions, 'backlogBytes' | 'spoolBytes'>,
): string[] {
  const kinds = ['lost', 'doubled', 'unknown', 'overwritten'] as const;
  const sizes = [
    {
      what: 'the backlog in Redis',
      bytes: result.mostBacklogBytes,
      bytesMax: limits.backlogBytes * BACKLOG_EXCESS_MAX,
    },
    { what: 'the spool', bytes: result.mostSpoolBytes, bytesMax: limits.spoolBytes },
    ...Object.entries(result.rssPeakBytes).map(([what, bytes]) => ({ what, bytes, bytesMax: RSS_BYTES_MAX })),
  ];
  return [
    ...kinds.flatMap((kind) => result[kind].map((what) => `${kind}: ${what}`)),
    ...sizes
      .filter(({ bytes, bytesMax }) => bytes > bytesMax)
      .map(({ what, bytes, bytesMax }) => `limit: ${what} took ${bytes} bytes, not ${bytesMax} at most`),
  ];
}
