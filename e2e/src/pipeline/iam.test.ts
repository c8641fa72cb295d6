import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LaneView, IoredisPort } from '@sink/lane';
import { eventually, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { runCommand } from '../harness/command-line.ts';
import { FAULTLESS, judge } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';

interface Policy {
  readonly Statement: readonly { readonly Sid: string; readonly Effect: string; Action: string; Resource: string }[];
}

const PREFIX = 'events/a?b/';
const THREE_HOURS_MS = 3 * 3_600_000;

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

/** The policy that the command prints for the configuration of the sink. */
async function printed(sink: Pipeline, ...uses: readonly string[]): Promise<Policy> {
  const { code, output } = await runCommand(sink, ['iam', ...uses.flatMap((use) => ['--for', use])]);
  expect(code, output).toBe(0);
  return JSON.parse(output) as Policy;
}

async function refusals(sink: Pipeline): Promise<string[]> {
  const requests = await sink.s3.control.requests();
  return requests.filter(({ status }) => status === 403).map(({ operation, key }) => `${operation} ${key}`);
}

/** Without each of its actions. */
function lessened({ Statement }: Policy): { left: string; policy: Policy }[] {
  return Statement.map((one) => ({
    left: one.Action,
    policy: { Statement: Statement.filter((other) => other !== one) },
  }));
}

/** A sink whose partitions are over, so that its manifests are due. */
async function start(settings: Readonly<Record<string, string>> = {}): Promise<Pipeline> {
  const clock = join(temporaryDirectory('clock'), 'offset');
  writeFileSync(clock, String(-THREE_HOURS_MS));
  const shift = new URL('../torture/clock-shift.mjs', import.meta.url).href;
  const shifted = { NODE_OPTIONS: `--import ${shift}`, TORTURE_CLOCK: clock };
  return (pipeline = await Pipeline.start({
    settings: {
      SINK_PREFIX: PREFIX,
      SINK_MANIFESTS: 'true',
      SINK_FLUSH_SIZE: '50',
      SINK_RECEIPTS_MAX: '10000',
      ...settings,
    },
    environmentOf: (name) => (name.startsWith('ingest') ? shifted : {}),
  }));
}

/** How many segments are in spool files only. */
async function spilled(sink: Pipeline): Promise<number> {
  const client = new Redis(sink.redis.url);
  try {
    return (await sink.leftInRedis(client, 0))['spilled'] ?? 0;
  } finally {
    client.disconnect();
  }
}

async function etags(sink: Pipeline): Promise<string[]> {
  const client = new Redis(sink.redis.url);
  try {
    const pages = await Array.fromAsync(new LaneView(new IoredisPort(client), sink.sinkName, 0).receipts());
    return pages.flat().map(({ receipt }) => receipt.etag);
  } finally {
    client.disconnect();
  }
}

describe('under the policy that `iam` prints', () => {
  it('the whole sink starts, uploads, compares, spills and writes manifests; no request is refused', async () => {
    const sink = await start({ SINK_SPILL_AT: '64KiB' });
    const policy = await printed(sink);
    expect(policy.Statement.map(({ Action }) => Action)).toEqual(['s3:PutObject', 's3:GetObject']);
    await sink.s3.control.clear();
    await sink.s3.control.setPermissions({ policy });
    const producers = new Producers(() => sink.of('ingest'), 8, { textBytes: 1_000 });
    // Its answers are lost: the uploader finds the objects of its own earlier tries.
    const effect = { kind: 'reset', applied: true } as const;
    await sink.s3.control.addFault({ match: { operation: 'PutObject' }, effect, times: 5 });
    const away = { kind: 'error', status: 503, code: 'SlowDown' } as const;
    const fault = await sink.s3.control.addFault({ match: { operation: 'PutObject' }, effect: away });
    await producers.acknowledgedMore(400);
    await eventually(async () => expect(await spilled(sink)).toBeGreaterThan(0), { timeoutMs: 60_000 });
    await sink.s3.control.removeFault(fault);
    await producers.stop();
    await sink.drained(120_000);
    for (const uploader of sink.of('uploader')) await sink.crash(uploader);
    await eventually(
      async () => expect((await sink.s3.control.keys()).filter((key) => key.includes('/_manifest-'))).not.toEqual([]),
      { timeoutMs: 30_000 },
    );
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
    const operations = (await sink.s3.control.requests()).map(({ operation }) => operation);
    expect(new Set(operations)).toEqual(new Set(['PutObject', 'HeadObject']));
    expect(await refusals(sink)).toEqual([]);
    expect(await etags(sink)).not.toContain('');

    expect((await runCommand(sink, ['check'])).output).toContain(`Bucket: ok: s3://mybucket/${PREFIX} accepts objects`);

    for (const [use, command] of [
      ['verify', ['verify']],
      ['read', ['verify', '--read']],
    ] as const) {
      const audit = await printed(sink, use);
      await sink.s3.control.setPermissions({ policy: audit });
      const verified = await runCommand(sink, command);
      expect(verified, use).toMatchObject({ code: 0, output: expect.stringContaining('OK') as string });
      for (const { left, policy } of lessened(audit)) {
        await sink.s3.control.setPermissions({ policy });
        const unknown = await runCommand(sink, command);
        expect(unknown.code, `${use} without ${left}`).toBe(2);
        expect(unknown.output).toContain(`Allow ${left} on`);
      }
    }
  });

  it('without s3:PutObject the uploader is not ready and says it; without s3:GetObject it trusts keys', async () => {
    const sink = await start();
    const policy = await printed(sink);
    const lesser = new Map(lessened(policy).map(({ left, policy: rest }) => [left, rest]));
    const producers = new Producers(() => sink.of('ingest'), 2);
    await sink.s3.control.setPermissions({ policy: lesser.get('s3:PutObject') ?? policy });
    await producers.acknowledgedMore(20);
    const [uploader] = sink.of('uploader');
    await eventually(
      async () =>
        expect(await (await fetch(`${uploader?.opsUrl ?? ''}/readyz`)).text()).toContain(
          'Allow s3:PutObject on arn:aws:s3:::mybucket/events/a${?}b/*',
        ),
      { timeoutMs: 30_000 },
    );
    await sink.s3.control.setPermissions({ policy: lesser.get('s3:GetObject') ?? policy });
    const effect = { kind: 'reset', applied: true } as const;
    const fault = await sink.s3.control.addFault({ match: { operation: 'PutObject' }, effect, times: 1 });
    await eventually(async () => expect(await sink.s3.control.faultHits(fault)).toBe(1), { timeoutMs: 90_000 });
    await producers.stop();
    await sink.drained(120_000);
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
    expect((await refusals(sink)).some((refusal) => refusal.startsWith('HeadObject'))).toBe(true);
    expect(await etags(sink)).toContain('');
  });
});
