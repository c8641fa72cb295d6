import { eventually } from '@sink/testing';
import { afterEach, expect, it } from 'vitest';
import { runCommand } from '../harness/command-line.ts';
import { Pipeline } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

async function post(sink: Pipeline, ids: readonly string[]): Promise<void> {
  const events = ids.map((id) => ({ specversion: '1.0', id, source: '/tools', type: 't' }));
  const response = await fetch(sink.of('ingest')[0]?.url ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events),
  });
  expect(response.status).toBe(202);
}

it('verify agrees with a running sink, and names an object that was deleted', async () => {
  const sink = (pipeline = await Pipeline.start({
    settings: {
      SINK_COMPRESSION: 'zstd',
      SINK_PREFIX: 'raw/',
      SINK_FLUSH_SIZE: '5',
      SINK_LANES: '2',
      SINK_RECEIPTS_MAX: '1000',
    },
  }));
  for (let n = 0; n < 4; n++) await post(sink, [`${n}a`, `${n}b`, `${n}c`]);
  await sink.drained(30_000, 2);
  const agreed = await runCommand(sink, ['verify', '--read', '--json']);
  expect(agreed.code, agreed.output).toBe(0);
  expect(JSON.parse(agreed.output)).toMatchObject({ ok: true, events: 12, backlogEvents: 0, findings: [] });

  const [first] = await sink.s3.control.objects();
  await sink.s3.control.remove(first?.key ?? '');
  const missed = await runCommand(sink, ['verify']);
  expect(missed.code).toBe(1);
  expect(missed.output).toContain('1 object: missing: has a receipt, and is not in the bucket');
  expect(missed.output).toContain(first?.key);
  expect((await runCommand(sink, ['verify', '--to', '2026-01-01'])).code).toBe(0);

  await sink.s3.control.setPermissions('put_only');
  const unknown = await runCommand(sink, ['verify']);
  expect(unknown.code).toBe(2);
  expect(unknown.output).toMatch(
    /^UNKNOWN: .*AccessDenied.*\n {2}remedy: Allow s3:ListBucket on the bucket for these credentials/,
  );
});

it('try follows an event to its object, and says where it may not read it or where nothing is stored', async () => {
  const sink = (pipeline = await Pipeline.start({
    settings: { SINK_LANES: '2', SINK_RECEIPTS_MAX: '1000', SINK_COMPRESSION: 'gzip' },
  }));
  const [ingest, uploader] = [sink.of('ingest')[0]?.url ?? '', sink.of('uploader')[0]?.opsUrl ?? ''];
  const tried = (seconds: number, more: readonly string[] = []) =>
    runCommand(sink, ['try', '--post', ingest, '--uploader', uploader, '--timeout', String(seconds), ...more]);

  const read = await tried(30);
  expect(read.output).toMatch(/^202: [^]*\nOK: .* it is in the object \S+\.gz \(1 event\), which was read\n$/);
  expect(read.code).toBe(0);

  await sink.s3.control.setPermissions('put_only');
  const stored = await tried(30);
  expect(stored.output).toContain('an object of that moment is stored');
  expect(stored.code).toBe(0);

  await sink.s3.control.setPermissions('none');
  const waiting = await tried(5);
  expect(waiting.output).toMatch(/^202: [^]*\nFAILED: waiting for the receipt of its object: not within 5 s\n$/);
  expect(waiting.code).toBe(1);
  const alone = await tried(2, ['--uploader', ingest]);
  expect(alone.output).toMatch(/^FAILED: asking the uploader for its receipts: not within 2 s \(.* answers 405\)\n$/);
});

it('uploads lists an upload that needs an operator with its reason, and retries it at once on request', async () => {
  const sink = (pipeline = await Pipeline.start());
  await sink.s3.control.setPermissions('none');
  await post(sink, ['a', 'b', 'c']);
  const waiting = await eventually(
    async () => {
      const listed = await runCommand(sink, ['uploads', 'list', '--json']);
      expect(listed.code, listed.output).toBe(0);
      return JSON.parse(listed.output) as { segmentId: string };
    },
    { timeoutMs: 20_000 },
  );
  expect(waiting).toMatchObject({ lane: 0, events: 3, reason: expect.stringContaining('AccessDenied') as string });
  expect((await runCommand(sink, ['uploads', 'list'])).output).toMatch(
    /3 events, .*attempts\n.*AccessDenied[^]*1 uploads failed/,
  );
  expect(await runCommand(sink, ['uploads', 'retry', 's-none'])).toMatchObject({
    code: 1,
    output: expect.stringContaining('s-none: no upload with this id waits') as string,
  });

  await sink.s3.control.setPermissions('all');
  const retried = await runCommand(sink, ['uploads', 'retry', waiting.segmentId]);
  expect(retried.output).toBe(`${waiting.segmentId}: retrying now\n`);
  // Without `uploads retry`, a refused upload is retried after 20 to 40 seconds.
  await sink.drained(10_000);
  expect([...(await sink.objects()).values()].flat()).toHaveLength(3);
  expect(await runCommand(sink, ['uploads', 'retry'])).toEqual({ code: 0, output: 'retrying 0 uploads now\n' });
});
