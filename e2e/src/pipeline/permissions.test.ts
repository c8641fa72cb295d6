import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { aclRules, triedCommands } from '@sink/redis';
import { eventually, type RedisServer } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { FAULTLESS, judge } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';

const DOCUMENT = readFileSync(new URL('../../../docs/redis.md', import.meta.url), 'utf8');
const [, DOCUMENTED = ''] = /^ACL SETUSER sink on >PASSWORD (.*)$/m.exec(DOCUMENT) ?? [];
/** The rules that docs/redis.md has, for the sink of these tests. */
const RULES = DOCUMENTED.replaceAll('sink-aws-s3', 'e2e');

/** Commands of a connection itself, those of the administrator, and SCAN, without which other sinks are not mentioned. */
const UNTRIED = ['hello', 'client', 'command', 'config', 'acl', 'scan'];

let pipeline: Pipeline | undefined;
let admin: Redis | undefined;
afterEach(async () => {
  admin?.disconnect();
  await pipeline?.stop();
  pipeline = undefined;
});

/** The whole sink as that user, with everything that needs a command of its own. */
async function startAsUser(settings: Readonly<Record<string, string>> = {}): Promise<[Pipeline, Redis]> {
  const prepare = async ({ url }: RedisServer): Promise<void> => {
    admin = new Redis(url);
    const known = (await admin.call('command', 'INFO', 'waitaof')) as readonly unknown[];
    const rules = known[0] === null ? RULES : `${RULES} +waitaof`;
    await admin.acl('SETUSER', 'sink', 'reset', 'on', '>secret', ...rules.split(' '));
  };
  const user = { SINK_REDIS_USERNAME: 'sink', SINK_REDIS_PASSWORD: 'secret' };
  pipeline = await Pipeline.start({ prepare, settings: { SINK_FLUSH_SIZE: '50', ...user, ...settings } });
  if (admin === undefined) throw new Error('there is no Redis');
  return [pipeline, admin];
}

describe('the whole sink, as the user of the documented ACL line,', () => {
  it(
    'stores, deduplicates, spills, takes over, lists and retries without a refusal',
    { timeout: 180_000 },
    async () => {
      const [sink, redis] = await startAsUser({
        SINK_LANES: '2',
        SINK_DEDUPE_WINDOW: '1h',
        SINK_MANIFESTS: 'true',
        SINK_SPILL_AT: '64KiB',
        SINK_RECEIPTS_MAX: '1000',
        SINK_MAX_FINGERPRINTS: '10000',
      });
      const producers = new Producers(() => sink.of('ingest'), 8, { textBytes: 1_000 });
      const fault = await sink.s3.control.addFault({
        match: { operation: 'PutObject' },
        effect: { kind: 'error', status: 503, code: 'SlowDown' },
      });
      await producers.acknowledgedMore(400);
      for (const service of [...sink.of('batcher'), ...sink.of('uploader')]) await sink.crash(service);
      await producers.acknowledgedMore(400);
      await sink.s3.control.removeFault(fault);
      await producers.stop();
      await sink.drained(120_000, 2);
      expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
      expect(await redis.acl('LOG', 1)).toEqual([]);
      const ran = [...(await redis.info('commandstats')).matchAll(/^cmdstat_(\w+)/gm)].map(([, name = '']) => name);
      const needed = { durability: 'fsync', replicas: 1, manifests: true, dedupeWindowMs: 1 } as const;
      const tried = [...triedCommands('e2e', needed)].map((name) => name.toLowerCase());
      expect(ran.filter((name) => !tried.includes(name) && !UNTRIED.includes(name)).toSorted()).toEqual([]);
    },
  );

  it(
    'is not ready while a permission is missing, says which, and continues by itself',
    { timeout: 180_000 },
    async () => {
      const [sink, redis] = await startAsUser({ SINK_DEDUPE_WINDOW: '1h', SINK_MAX_FINGERPRINTS: '10000' });
      const producers = new Producers(() => sink.of('ingest'), 4);
      await producers.acknowledgedMore(100);
      const taken = { ingest: 'smismember', batcher: 'xreadgroup', uploader: 'bzpopmin' } as const;
      const before = sink.services.map((service) => service.process.output().length);
      await redis.acl('SETUSER', 'sink', ...Object.values(taken).map((command) => `-${command}`));
      for (const { kind, opsUrl } of sink.services) {
        const says = new RegExp(`'?${taken[kind]}'?`, 'i');
        await eventually(
          async () => {
            const answer = await fetch(`${opsUrl}/readyz`);
            expect([answer.status, await answer.text()]).toEqual([503, expect.stringMatching(says)]);
          },
          { timeoutMs: 30_000 },
        );
      }
      await setTimeout(5_000);
      for (const [index, { process }] of sink.services.entries()) {
        const lines = process.output().slice(before[index]).split('\n').filter(Boolean);
        expect(lines.length, lines.join('\n')).toBeLessThan(15);
      }
      await redis.acl('SETUSER', 'sink', ...RULES.split(' '));
      const grantedAtMs = performance.now();
      await producers.acknowledgedMore(20);
      for (const { opsUrl } of sink.services) {
        await eventually(async () => expect((await fetch(`${opsUrl}/readyz`)).status).toBe(200), { timeoutMs: 60_000 });
      }
      expect(performance.now() - grantedAtMs).toBeLessThan(60_000);

      // The same for a password that is no longer right.
      await redis.acl('SETUSER', 'sink', 'resetpass', '>other');
      await redis.call('client', 'KILL', 'USER', 'sink');
      for (const { opsUrl } of sink.services) {
        await eventually(async () => {
          const answer = await fetch(`${opsUrl}/readyz`);
          expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('refuses the login')]);
        });
      }
      await redis.acl('SETUSER', 'sink', '>secret');
      const restoredAtMs = performance.now();
      await producers.acknowledgedMore(20);
      await producers.stop();
      await sink.drained();
      expect(performance.now() - restoredAtMs).toBeLessThan(60_000);
      expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
    },
  );

  it('the remedy of a service has the same rules as the document', () => {
    expect(aclRules('sink-aws-s3')).toBe(`${DOCUMENTED}, and from Redis 7.2 on +waitaof`);
  });
});
