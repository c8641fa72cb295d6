import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { loadConfig } from '@sink/config';
import { freePort } from '@sink/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { askReadiness, commandOfContainer, readinessUrl } from './container-health.ts';

const nul = (...words: string[]): string => words.map((word) => `${word}\0`).join('');

describe('the health check of the image', () => {
  it.each([
    [['/usr/bin/tini', '--', 'node', '/app/sink.js'], 'all', null],
    [['/usr/bin/tini', '--', 'node', '/app/sink.js', 'ingest'], 'ingest', null],
    [['/sbin/docker-init', '--', '/usr/bin/tini', '--', 'node', '/app/sink.js', 'batcher'], 'batcher', null],
    [['/usr/bin/tini', '--', 'node', '/app/sink.js', '--config', '/etc/a b.yml'], 'all', '/etc/a b.yml'],
    [['/usr/bin/tini', '--', 'node', '/app/sink.js', '--config=/c.yml', 'uploader'], 'uploader', '/c.yml'],
    [['/usr/bin/tini', '--', 'node', '/app/sink.js', '--config', 'ingest'], 'all', 'ingest'],
    [['/pause'], 'all', null],
  ] as const)('finds role and configuration in %j', (words, role, configFile) => {
    expect(commandOfContainer(nul(...words))).toEqual({ role, configFile });
  });

  it('asks each role where it answers, on the ports of the configuration', () => {
    const config = loadConfig({
      env: {},
      overrides: { port: 9000, batcher_ops_port: 9002, uploader_ops_port: 9003 },
      readText: () => 'missing',
    });
    expect(readinessUrl(config, 'all')).toBe('http://localhost:9000/readyz');
    expect(readinessUrl(config, 'ingest')).toBe('http://localhost:9000/readyz');
    expect(readinessUrl(config, 'batcher')).toBe('http://localhost:9002/readyz');
    expect(readinessUrl(config, 'uploader')).toBe('http://localhost:9003/readyz');
  });
});

describe('asking for readiness', () => {
  const server = createServer((req, res) => {
    res.writeHead(req.url === '/ready' ? 200 : 503).end('{"ready":…}\n');
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it('tells ready, not ready and not there apart, and says what it was told', async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await askReadiness(`${base}/ready`)).toEqual({ ready: true, said: '{"ready":…}' });
    expect(await askReadiness(`${base}/readyz`)).toEqual({ ready: false, said: '{"ready":…}' });

    const gone = await askReadiness(`http://127.0.0.1:${await freePort()}/readyz`);
    expect(gone.ready).toBe(false);
    expect(gone.said).toContain('ECONNREFUSED');
  });
});
