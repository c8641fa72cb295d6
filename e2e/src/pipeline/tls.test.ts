import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { type Certificate, eventually, makeCertificate, startProcess, temporaryDirectory } from '@sink/testing';
import { expect, onTestFinished, test } from 'vitest';
import { Pipeline, type Service } from '../harness/pipeline.ts';

function certificate(): Certificate {
  const made = makeCertificate(['IP:127.0.0.1']);
  if (made === null) throw new Error('this test needs openssl');
  return made;
}

const serialOf = ({ cert }: Certificate): string => new X509Certificate(cert).serialNumber;

/** A Secret of Kubernetes, mounted as a directory: all its files change by one symlink. */
class MountedSecret {
  readonly directory = temporaryDirectory('secret');
  #version = 0;

  constructor(first: Certificate) {
    this.put(first);
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(this.directory, name));
  }

  put({ cert, key }: Certificate): void {
    const version = `..${this.#version++}`;
    mkdirSync(join(this.directory, version));
    writeFileSync(join(this.directory, version, 'tls.crt'), cert);
    writeFileSync(join(this.directory, version, 'tls.key'), key);
    symlinkSync(version, join(this.directory, '..new'));
    renameSync(join(this.directory, '..new'), join(this.directory, '..data'));
  }

  get settings(): Record<string, string> {
    return { SINK_TLS_CERT_FILE: join(this.directory, 'tls.crt'), SINK_TLS_KEY_FILE: join(this.directory, 'tls.key') };
  }
}

interface Posted {
  readonly status: number;
  /** The serial number of the certificate that was shown. */
  readonly serial: string;
}

function post(url: string, id: string, agent: Agent): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/cloudevents+json' };
    const posted = request(url, { agent, method: 'POST', headers, timeout: 5_000 }, (answer) => {
      const { socket } = answer;
      const serial = socket instanceof TLSSocket ? socket.getPeerCertificate().serialNumber : '';
      answer.resume();
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, serial }));
    });
    posted.once('error', reject);
    posted.once('timeout', () => posted.destroy(new Error('no answer')));
    posted.end(JSON.stringify({ specversion: '1.0', id, source: '/tls', type: 't' }));
  });
}

/** Clients that keep their connections, some that make one for each event, and some that go on with their sessions. */
class Load {
  readonly accepted = new Set<string>();
  readonly failed: string[] = [];
  readonly #running: Promise<void>[];
  #stopped = false;

  constructor({ url }: Service) {
    const trusting = { rejectUnauthorized: false };
    const agents = [
      ...Array.from({ length: 6 }, () => new Agent({ ...trusting, keepAlive: true, maxSockets: 1 })),
      ...Array.from({ length: 3 }, () => new Agent({ ...trusting, keepAlive: false })),
      ...Array.from({ length: 3 }, () => new Agent({ ...trusting, keepAlive: false, maxCachedSessions: 0 })),
    ];
    this.#running = agents.map(async (agent, client) => {
      for (let event = 0; !this.#stopped; event++) {
        const id = `${client}-${event}`;
        try {
          const { status } = await post(url, id, agent);
          if (status === 202) this.accepted.add(id);
          else this.failed.push(`${id}: ${status}`);
        } catch (error) {
          this.failed.push(`${id}: ${String(error)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      agent.destroy();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }
}

/** Resolves to how long it took until every new connection was shown this certificate. */
async function shown({ url }: Service, wanted: Certificate, accepted: Set<string>): Promise<number> {
  const startMs = performance.now();
  const fresh = new Agent({ rejectUnauthorized: false, maxCachedSessions: 0 });
  await eventually(
    async () => {
      const ids = Array.from({ length: 20 }, () => crypto.randomUUID());
      const all = await Promise.all(ids.map((id) => post(url, id, fresh)));
      for (const id of ids) accepted.add(id);
      expect(new Set(all.map(({ serial }) => serial))).toEqual(new Set([serialOf(wanted)]));
    },
    { timeoutMs: 20_000 },
  );
  return performance.now() - startMs;
}

test(
  'certificates are replaced under load, a broken pair among them, and no request fails',
  { timeout: 180_000 },
  async () => {
    const [first, second, third] = [certificate(), certificate(), certificate()];
    const secret = new MountedSecret(first);
    const pipeline = await Pipeline.start({ settings: { ...secret.settings, SINK_INGEST_WORKERS: '2' } });
    onTestFinished(() => pipeline.stop());
    const [ingest] = pipeline.of('ingest');
    if (ingest === undefined) throw new Error('there is no ingest');
    const load = new Load(ingest);
    const others = new Set<string>();
    await shown(ingest, first, others);

    secret.put(second);
    const tookMs = [await shown(ingest, second, others)];
    secret.put({ cert: third.cert, key: first.key });
    const answer = async (): Promise<string> => (await fetch(`${ingest.opsUrl}/readyz`)).text();
    await eventually(async () => expect(await answer()).toContain('tls.key_file'), { timeoutMs: 20_000 });
    expect(JSON.parse(await answer())).toMatchObject({ ready: true, problems: {} });
    await shown(ingest, second, others);
    secret.put(third);
    tookMs.push(await shown(ingest, third, others));
    // The parent of the workers, which answers here, looks at the files by itself.
    const sound = { ready: true, problems: {} };
    await eventually(async () => expect(JSON.parse(await answer())).toEqual(sound), { timeoutMs: 20_000 });
    const metrics = await (await fetch(`${ingest.opsUrl}/metrics`)).text();
    expect(metrics).toMatch(/^sink_ingest_certificate_days_left 1\.9\d*$/m);
    expect(metrics).toMatch(/^sink_ingest_certificate_days 2$/m);
    expect(metrics).toMatch(/^sink_ingest_certificate_rejected 0$/m);
    await load.stop();

    expect(load.failed).toEqual([]);
    expect(load.accepted.size).toBeGreaterThan(500);
    // The machine of a test may be slow; what is promised is 5 s.
    expect(Math.max(...tookMs)).toBeLessThan(10_000);
    await pipeline.drained();
    const ids = [...(await pipeline.objects()).values()].flat().map((line) => (JSON.parse(line) as { id: string }).id);
    expect(ids.length).toBe(load.accepted.size + others.size);
    expect(new Set(ids)).toEqual(new Set([...load.accepted, ...others]));
    console.log(`${load.accepted.size} events; in use after ${tookMs.map(Math.round).join(' and ')} ms`);
  },
);

test.each(['1', '2'])(
  'a pair that does not fit ends the start with 78, and a line with key, file and remedy: workers %s',
  { timeout: 60_000 },
  async (workers) => {
    const { settings } = new MountedSecret({ cert: certificate().cert, key: certificate().key });
    const ingest = await startProcess({
      command: process.execPath,
      args: [join(import.meta.dirname, '../../../apps/sink/src/main.ts'), 'ingest'],
      env: {
        ...settings,
        SINK_INGEST_WORKERS: workers,
        SINK_INGEST_OPS_PORT: '0',
        SINK_REDIS_URL: 'redis://127.0.0.1:1',
      },
    });
    expect(await ingest.exited).toMatchObject({ code: 78 });
    const file = settings['SINK_TLS_KEY_FILE'] ?? '';
    expect(ingest.output()).toContain(
      `ingest: TLS of the port: tls.key_file ${file} is not the key of tls.cert_file: give`,
    );
    expect(ingest.output()).not.toContain('PRIVATE KEY');
  },
);
