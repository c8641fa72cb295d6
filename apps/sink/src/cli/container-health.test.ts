import { loadConfig, loadLeniently } from '@sink/config';
import { describe, expect, it } from 'vitest';
import { commandOfContainer, readinessUrl } from './container-health.ts';

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

  it('asks each role at its own port of the configuration', () => {
    const config = loadConfig({
      env: {},
      overrides: { port: 9000, batcher_ops_port: 9002, uploader_ops_port: 9003 },
      readText: () => 'missing',
    });
    expect(readinessUrl(config, 'all')).toBe('http://localhost:9000/readyz?all');
    expect(readinessUrl(config, 'ingest')).toBe('http://localhost:9000/readyz');
    expect(readinessUrl(config, 'batcher')).toBe('http://localhost:9002/readyz');
    expect(readinessUrl(config, 'uploader')).toBe('http://localhost:9003/readyz');
  });

  it('asks by HTTPS where the port has a certificate, and at ops_host, where there is one', () => {
    const config = loadConfig({
      env: { SINK_TLS_CERT_FILE: '/a.crt', SINK_TLS_KEY_FILE: '/a.key', SINK_OPS_HOST: '127.0.0.2' },
      overrides: { port: 9000, batcher_ops_port: 9002 },
      readText: () => 'missing',
    });
    expect(readinessUrl(config, 'all')).toBe('https://localhost:9000/readyz?all');
    expect(readinessUrl(config, 'ingest')).toBe('https://localhost:9000/readyz');
    expect(readinessUrl(config, 'batcher')).toBe('http://127.0.0.2:9002/readyz');
  });

  it('finds the sink that works on with the configuration in force, while its file has mistakes', () => {
    const at = (text: string): string =>
      readinessUrl(loadLeniently({ file: '/c.yml', env: {}, readText: () => ({ text }) }), 'all');
    expect(at('port: 9000\nflush_size: none\nno_key: 1\n')).toBe('http://localhost:9000/readyz?all');
    expect(at('port: 9000\na: [')).toBe('http://localhost:8080/readyz?all');
  });
});
