import { formatBytes } from '@sink/config';
import { type Problem, PROBLEMS } from './findings.ts';
import type { Verified } from './verified.ts';

/** The report for people: the figures, then each problem with the keys of its objects. */
export function reportText(result: Verified, place: string): string {
  const { findings } = result;
  const lines = [
    `${place}: ${plural(result.objects, 'object')} with ${plural(result.events, 'event')} (${formatBytes(result.objectBytes)}) as their receipts say`,
  ];
  if (result.quarantineObjects > 0)
    lines.push(
      `${plural(result.quarantineObjects, 'quarantine object')} with ${plural(result.quarantineLines, 'line')}`,
    );
  if (result.retryMarkers > 0) lines.push(`${plural(result.retryMarkers, 'marker')} of retries`);
  for (const [other, objects] of Object.entries(result.otherBuckets))
    lines.push(`${plural(objects, 'object')} of them in ${other}, which receipts name`);
  for (const [other, why] of Object.entries(result.unreadable)) lines.push(`${other} was not looked at: ${why}`);
  if (result.read > 0) lines.push(`${plural(result.read, 'object')} read, line by line`);
  if (result.underWay > 0) lines.push(`${plural(result.underWay, 'object')} just stored, without a receipt yet`);
  if (result.backlogEvents > 0) {
    const spilled = result.spilledEvents > 0 ? `, ${result.spilledEvents} of them in spool files only` : '';
    lines.push(`${plural(result.backlogEvents, 'event')} accepted and not in the bucket yet${spilled}`);
  }
  for (const [other, receipts] of Object.entries(result.elsewhere))
    lines.push(`${plural(receipts, 'object')} not judged: stored in another place, ${other}`);
  if (result.copies > 0)
    lines.push(`${plural(result.copies, 'object')} here too, though stored in another place: copies`);
  if (result.placeUnknown > 0)
    lines.push(
      `${plural(result.placeUnknown, 'object')} not here, place unknown: stored by an earlier release, whose receipts name no place`,
    );
  if (result.beforeReceipts > 0) {
    const since = new Date(result.keptSinceMs ?? 0).toISOString();
    lines.push(
      `${plural(result.beforeReceipts, 'object')} not judged: receipts are kept since ${since} (receipts_max)`,
    );
  }
  if (result.manifests > 0) lines.push(plural(result.manifests, 'manifest'));
  if (result.ofOthers > 0) lines.push(`${plural(result.ofOthers, 'object')} of other programs ignored`);
  for (const problem of Object.keys(PROBLEMS) as Problem[]) {
    if (findings.counts[problem] === 0) continue;
    const noun = problem === 'repeated' ? 'event' : 'object';
    lines.push('', `${plural(findings.counts[problem], noun)}: ${problem}: ${PROBLEMS[problem]}`);
    const named = findings.named.filter((finding) => finding.problem === problem);
    for (const { key, detail } of named) lines.push(`  ${key}: ${detail}`);
    if (named.length < findings.counts[problem]) lines.push(`  … and ${findings.counts[problem] - named.length} more`);
  }
  lines.push(
    '',
    findings.total === 0 ? 'OK: nothing is missing, changed or there twice' : `FAILED: ${findings.total} findings`,
  );
  return `${lines.join('\n')}\n`;
}

/** The report for programs: one JSON object. */
export function reportJson(result: Verified, place: string): string {
  const { findings, ...figures } = result;
  return `${JSON.stringify({ ok: findings.total === 0, place, ...figures, problems: findings.counts, findings: findings.named })}\n`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
