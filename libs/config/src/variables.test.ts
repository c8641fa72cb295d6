import { expect, test } from 'vitest';
import { loadConfig } from './load.ts';
import { ConfigError } from './problems.ts';
import type { Environment } from './environment.ts';

const load = (text: string, env: Environment = {}) =>
  loadConfig({ file: '/c.yml', env, readText: (path) => (path === '/c.yml' ? { text } : 'missing') });

function said(text: string, env: Environment = {}): string {
  try {
    load(text, env);
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

test('variables are replaced in the values of the file, before they are typed', () => {
  const text = 'port: ${PORT}\nprefix: "${A}-${B}/"\nredis: { sentinels: ["${H}:1", h2], sentinel_master: "${M}" }';
  const env = { PORT: '8081', A: 'a', B: 'b ${A}', H: 'h1', M: 'm' };
  expect(load(text, env)).toMatchObject({
    port: 8081,
    prefix: 'a-b ${A}/',
    redis: { target: { sentinels: [{ host: 'h1', port: 1 }, { host: 'h2' }], masterName: 'm' } },
  });
  // What a variable holds is no YAML.
  expect(load('prefix: ${X}', { X: '"a: [b' }).prefix).toBe('"a: [b');
});

test('$${ is a literal ${, and every other $ stays', () => {
  for (const [given, meant] of [
    ['$${A}', '${A}'],
    ['$$${A}', '$${A}'],
    ['$A $$ ${ ${1} ${a-b} $', '$A $$ ${ ${1} ${a-b} $'],
  ] as const) {
    expect(load(`prefix: '${given}'`, { A: 'x' }).prefix, given).toBe(meant);
  }
});

test('a variable that is not set is a mistake that names it; the key is not reported twice', () => {
  expect(said('redis: { url: "redis://h", password: "${SECRET_X}" }\nport: ${PORT}')).toBe(
    [
      'reading the configuration: 2 mistakes',
      '  redis.password: given the variable SECRET_X, which is not set (/c.yml); allowed: a variable of the environment that is set, or $${ for a literal ${',
      '  port: given the variable PORT, which is not set (/c.yml); allowed: a variable of the environment that is set, or $${ for a literal ${',
    ].join('\n'),
  );
});

test('an error never shows the value of a variable', () => {
  const message = said('port: ${PORT}\nlog_level: "${L}"', { PORT: 'hunter22', L: 'hunter23' });
  expect(message).toContain('port: given "${PORT}" (/c.yml)');
  expect(message).not.toMatch(/hunter2/);
});

test('keys, the environment and the command line are left alone', () => {
  expect(loadConfig({ env: { SINK_PREFIX: '${A}/', A: 'x' }, readText: () => 'missing' }).prefix).toBe('${A}/');
  expect(loadConfig({ env: {}, overrides: { prefix: '${A}/' }, readText: () => 'missing' }).prefix).toBe('${A}/');
});
