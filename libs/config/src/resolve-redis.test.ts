import { expect, test } from 'vitest';
import { loadConfig } from './load.ts';
import { ConfigError } from './problems.ts';
import type { RedisSettings } from './sink-config.ts';

const FILES: Readonly<Record<string, string>> = { '/ca.pem': 'CA', '/cert.pem': 'CERT', '/key.pem': 'KEY' };

function redisOf(
  redis: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
): RedisSettings | null {
  const readText = (path: string) => (FILES[path] === undefined ? 'missing' : { text: FILES[path] });
  return loadConfig({ env, overrides: { redis }, readText }).redis;
}

function mistakesOf(redis: Readonly<Record<string, unknown>>): string[] {
  try {
    redisOf(redis);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ key }) => key);
    throw error;
  }
  return [];
}

test.each([
  ['redis://h', { target: { kind: 'single', host: 'h', port: 6379 }, db: 0, tls: null }],
  ['valkey://h:1/2', { target: { kind: 'single', host: 'h', port: 1 }, db: 2 }],
  ['redis://[::1]:7000', { target: { kind: 'single', host: '::1', port: 7000 } }],
  ['redis://u:p%40ss%2Fw@h', { username: 'u', password: 'p@ss/w' }],
  ['redis://:100%25@h', { password: '100%' }],
  ['redis://:100%@h', { password: '100%' }],
  ['rediss://h', { tls: { verify: true } }],
  ['valkeys://h', { tls: { verify: true } }],
  ['unix:///run/redis.sock?db=3', { target: { kind: 'socket', path: '/run/redis.sock' }, db: 3 }],
  ['/run/redis.sock', { target: { kind: 'socket', path: '/run/redis.sock' } }],
])('the address %s is understood', (url, expected) => {
  expect(redisOf({ url })).toMatchObject(expected);
});

test.each([
  'localhost:6379',
  'http://h',
  'redis://',
  'redis://h:99999',
  'redis://h/zero',
  'redis://h?x=1',
  'redis://:pa#ss@h',
  'redis://:pa/ss@h',
  'unix://h/x',
  'nonsense',
])('the address %s is a mistake', (url) => {
  expect(mistakesOf({ url })).toEqual(['redis.url']);
});

test('keys of their own beat what the address says', () => {
  expect(redisOf({ url: 'redis://u:p@h/1', username: 'v', password: 'q', db: 2 })).toMatchObject({
    username: 'v',
    password: 'q',
    db: 2,
  });
});

test('Sentinels need the name of their master', () => {
  expect(mistakesOf({ sentinels: ['a'] })).toEqual(['redis.sentinel_master']);
  expect(mistakesOf({ url: 'redis://h', sentinel_master: 'm' })).toEqual(['redis.sentinels']);
  expect(
    redisOf({ sentinels: 'a, b:1', sentinel_master: 'm', sentinel_password: 's', password: 'p', tls: true }),
  ).toEqual({
    target: {
      kind: 'sentinel',
      sentinels: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 1 },
      ],
      masterName: 'm',
      password: 's',
      tls: false,
    },
    password: 'p',
    db: 0,
    tls: { verify: true },
    natMap: {},
  });
});

test('a Cluster has its nodes, its address map and no other database', () => {
  expect(redisOf({ cluster_nodes: ['a', 'b:7001'], nat_map: { '10.0.0.1:6379': 'a:1' } })).toMatchObject({
    target: {
      kind: 'cluster',
      nodes: [
        { host: 'a', port: 6379 },
        { host: 'b', port: 7001 },
      ],
    },
    natMap: { '10.0.0.1:6379': { host: 'a', port: 1 } },
  });
  expect(mistakesOf({ cluster_nodes: 'a', db: 1 })).toEqual(['redis.db']);
  expect(mistakesOf({ cluster_nodes: ['a b'] })).toEqual(['redis.cluster_nodes']);
  expect(mistakesOf({ cluster_nodes: 'a', nat_map: { a: 'b' } })).toEqual(['redis.nat_map']);
  expect(redisOf({}, { SINK_REDIS_CLUSTER_NODES: 'a,b:1', SINK_REDIS_NAT_MAP: 'x:1=y:2' })).toMatchObject({
    target: { nodes: [{ host: 'a' }, { host: 'b', port: 1 }] },
    natMap: { 'x:1': { host: 'y', port: 2 } },
  });
});

test('one address, and nothing about Redis without one', () => {
  expect(mistakesOf({ url: 'redis://h', cluster_nodes: 'a' })).toEqual(['redis.cluster_nodes']);
  expect(mistakesOf({ password: 'p' })).toEqual(['redis.url']);
  expect(mistakesOf({ url: 'redis://h', username: 'u' })).toEqual(['redis.password']);
});

test('TLS is on as soon as anything of it is given', () => {
  expect(redisOf({ url: 'redis://h', tls_ca_file: '/ca.pem' })?.tls).toEqual({ ca: 'CA', verify: true });
  expect(
    redisOf({
      url: 'rediss://h',
      tls_cert_file: '/cert.pem',
      tls_key_file: '/key.pem',
      tls_server_name: 'n',
      tls_verify: 'no',
    })?.tls,
  ).toEqual({ cert: 'CERT', key: 'KEY', serverName: 'n', verify: false });
  expect(mistakesOf({ url: 'rediss://h', tls: false })).toEqual(['redis.tls']);
  expect(mistakesOf({ url: 'rediss://h', tls_cert_file: '/cert.pem' })).toEqual(['redis.tls_key_file']);
  expect(mistakesOf({ url: 'rediss://h', tls_ca_file: '/gone.pem' })).toEqual(['redis.tls_ca_file']);
  expect(mistakesOf({ url: '/run/r.sock', tls: true })).toEqual(['redis.tls']);
});
