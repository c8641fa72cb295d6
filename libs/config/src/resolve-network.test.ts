import { describe, expect, test } from 'vitest';
import type { Environment } from './environment.ts';
import { loadConfig } from './load.ts';
import { ConfigError } from './problems.ts';
import type { SinkConfig } from './sink-config.ts';

const PEM = `
-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUFjmZ70ZUlgjHZIIl024aw1vdrOMwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgxOTA3NDNaGA8yMTI2MTEwNDE5MDc0
M1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOye
Av35tGRcQoImlk4cCfJCPSKZIg8v5Ow01h/ja/M2v4syaIrL0Sv3alSDSRoR/AQJ
WYE0w/Ja/yOxq6+tXZSjUzBRMB0GA1UdDgQWBBRfJ3nEQ3uWSgmjAXACE20Y/X9a
2DAfBgNVHSMEGDAWgBRfJ3nEQ3uWSgmjAXACE20Y/X9a2DAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCrJTH8r8lY/MeLQAQS5eaL1qvDLBocPY7b
nbQaUyAqbQIhAJSKtJmnDdXIvv32cH59Y14+pQ6v9dVdKzG/48fcRk/e
-----END CERTIFICATE-----
`;

/** The configuration of a bucket, in an environment and with files. */
function load(overrides: object = {}, env: Environment = {}, files: Readonly<Record<string, string>> = {}): SinkConfig {
  return loadConfig({
    env: { HOME: '/home', AWS_REGION: 'eu-west-1', ...env },
    overrides: { bucket: 'mybucket', ...overrides },
    readText: (path) => (files[path] === undefined ? 'missing' : { text: files[path] }),
  });
}

function bucket(...given: Parameters<typeof load>) {
  const { bucket: found } = load(...given);
  if (found.kind !== 's3') throw new Error('a bucket of S3 was expected');
  return found;
}

function problems(...given: Parameters<typeof load>): string {
  try {
    load(...given);
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('the endpoint', () => {
  const CONFIG = '/home/.aws/config';
  const profile = '[default]\nendpoint_url = http://profile:9000/\n';
  const all = { AWS_ENDPOINT_URL_S3: 'http://s3:9000', AWS_ENDPOINT_URL: 'http://all:9000' };

  test('is that of the key, then of the variables of the SDK, then of the profile, and in the path', () => {
    const files = { [CONFIG]: profile };
    const found = (...given: Parameters<typeof bucket>) => {
      const { endpoint, endpointFrom, forcePathStyle } = bucket(...given);
      return [endpoint, endpointFrom, forcePathStyle];
    };
    expect(found({ endpoint: 'http://key:9000' }, all, files)).toEqual(['http://key:9000', 'endpoint', true]);
    expect(found({}, { SINK_ENDPOINT: 'http://env:9000', ...all })).toEqual(['http://env:9000', 'endpoint', true]);
    expect(found({}, all, files)).toEqual(['http://s3:9000', 'AWS_ENDPOINT_URL_S3', true]);
    expect(found({}, { AWS_ENDPOINT_URL: 'http://all:9000' }, files)).toEqual([
      'http://all:9000',
      'AWS_ENDPOINT_URL',
      true,
    ]);
    expect(found({}, {}, files)).toEqual(['http://profile:9000', 'endpoint_url of the AWS profile default', true]);
    expect(found({}, { AWS_ENDPOINT_URL: '' })).toEqual([undefined, undefined, false]);
    expect(found({ force_path_style: false }, all)).toEqual(['http://s3:9000', 'AWS_ENDPOINT_URL_S3', false]);
  });

  test('of a services section of the profile comes before that of all services', () => {
    const text =
      '[profile work]\nservices = local\nendpoint_url = http://all\n[services local]\nsts =\n  endpoint_url = http://sts\ns3 =\n  endpoint_url = http://s3-of-work # comment\n';
    expect(bucket({}, { AWS_PROFILE: 'work' }, { [CONFIG]: text }).endpoint).toBe('http://s3-of-work');
    expect(bucket({}, {}, { [CONFIG]: text })).not.toHaveProperty('endpoint');
  });

  test('of the SDK is ignored as the SDK ignores it; the key is not', () => {
    const env = { ...all, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' };
    expect(bucket({}, env)).not.toHaveProperty('endpoint');
    expect(bucket({ endpoint: 'http://key:9000' }, env).endpoint).toBe('http://key:9000');
    const files = { [CONFIG]: `${profile}ignore_configured_endpoint_urls = true\n` };
    expect(bucket({}, {}, files)).not.toHaveProperty('endpoint');
    expect(bucket({}, { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'false' }, files).endpoint).toBe('http://profile:9000');
  });

  test('of the SDK keeps the region of the environment, and needs none', () => {
    expect(bucket({}, all).region).toBe('eu-west-1');
    expect(bucket({}, { ...all, AWS_REGION: '' }).region).toBe('us-east-1');
    expect(bucket({ endpoint: 'http://key:9000' }).region).toBe('us-east-1');
  });

  test('of the SDK that is no address is a mistake, which does not show it', () => {
    const said = problems({}, { AWS_ENDPOINT_URL: 'http://me:hunter22@s3' });
    expect(said).toContain('AWS_ENDPOINT_URL: given');
    expect(said).not.toContain('hunter22');
  });
});

describe('the proxy', () => {
  const env = {
    HTTPS_PROXY: 'http://u:hunter%2022@proxy:3128',
    http_proxy: 'proxy:3129',
    NO_PROXY: 'corp.example .svc',
  };

  test('is that of the key for everything, or none', () => {
    expect(bucket({ proxy_url: 'http://own:1' }, env).proxy).toEqual({
      http: 'http://own:1',
      https: 'http://own:1',
      noProxy: '',
      shown: 'http://own:1 (proxy_url)',
    });
    expect(bucket({ proxy_url: 'none' }, env)).not.toHaveProperty('proxy');
    expect(bucket()).not.toHaveProperty('proxy');
  });

  test('is otherwise that of the environment, except for what NO_PROXY lists and this machine', () => {
    expect(bucket({}, env).proxy).toEqual({
      http: 'http://proxy:3129',
      https: 'http://u:hunter%2022@proxy:3128',
      noProxy: 'corp.example,.svc,.corp.example,localhost,127.0.0.1,::1,[::1]',
      shown: 'http://proxy:3128 (HTTPS_PROXY) or http://proxy:3129 (HTTP_PROXY)',
    });
  });

  test('is not for the networks that NO_PROXY lists, nor for a port of a host', () => {
    const noProxy = (given: string) =>
      bucket({}, { ...env, NO_PROXY: given })
        .proxy?.noProxy.split(',')
        .slice(0, -4);
    expect(noProxy('10.1.2.3/8,172.16.0.0/12,192.168.1.7/32,0.0.0.0/0')).toEqual([
      '10.0.0.0-10.255.255.255',
      '172.16.0.0-172.31.255.255',
      '192.168.1.7-192.168.1.7',
      '0.0.0.0-255.255.255.255',
    ]);
    expect(noProxy('10.0.0.1 10.0.0.0/99 s3:9000 *')).toEqual(['10.0.0.1', '10.0.0.0/99', 's3:9000', '*']);
  });

  test('to the keys of token issuers is that of the environment alone, whatever the bucket is', () => {
    const { https, http } = bucket({}, env).proxy ?? {};
    for (const settings of [{}, { proxy_url: 'none' }, { proxy_url: 'http://own:1' }, { bucket: 'file:///d' }]) {
      expect(load(settings, env).keysProxy).toMatchObject({ https, http });
      expect(load(settings, env).secrets).toContain('hunter%2022');
      expect(load(settings)).not.toHaveProperty('keysProxy');
    }
  });

  test('keeps its password to itself', () => {
    expect(load({}, env).secrets).toEqual(['hunter%2022', 'hunter 22']);
    expect(load({ proxy_url: 'http://u:hunter22@own:1' }).secrets).toEqual(['hunter22']);
    expect(problems({ proxy_url: 'socks5://u:hunter22@own:1' })).toMatch(
      /^ {2}proxy_url: given a value that is not shown/m,
    );
    expect(problems({ proxy_url: 'http://u:100%@own:1' })).toContain('percent-encode');
  });

  test('of the environment that is no proxy is warned of', () => {
    const { warnings } = load({}, { HTTPS_PROXY: 'socks5://u:hunter22@own:1' });
    expect(warnings).toEqual(['HTTPS_PROXY is no http:// or https:// address of a proxy: it has no effect']);
    expect(load({ bucket: 'file:///d' }, { HTTPS_PROXY: 'socks5://own:1' }).warnings).toEqual([]);
  });
});

describe('further authorities', () => {
  test('are read from the file of the key, of AWS_CA_BUNDLE or of the profile, again at each call', () => {
    const files: Record<string, string> = {
      '/key.pem': `key ${PEM}`,
      '/env.pem': `env ${PEM}`,
      '/profile.pem': `profile ${PEM}`,
    };
    files['/home/.aws/config'] = '[default]\nca_bundle = /profile.pem';
    expect(bucket({ endpoint_ca_file: '/key.pem' }, { AWS_CA_BUNDLE: '/env.pem' }, files).readCa?.()).toMatch(/^key/);
    expect(bucket({}, { AWS_CA_BUNDLE: '/env.pem' }, files).readCa?.()).toMatch(/^env/);
    const { readCa } = bucket({}, {}, files);
    expect(readCa?.()).toMatch(/^profile/);
    files['/profile.pem'] = `new ${PEM}`;
    expect(readCa?.()).toMatch(/^new/);
    files['/profile.pem'] = PEM.slice(0, 100);
    expect(readCa?.()).toMatch(/^new/);
    delete files['/profile.pem'];
    expect(readCa?.()).toMatch(/^new/);
  });

  test('of a file that cannot be used are a mistake of the key, and a warning of others', () => {
    expect(problems({ endpoint_ca_file: '/gone' })).toContain('endpoint_ca_file: given "/gone"');
    for (const broken of ['no certificate', PEM.replace(/^MII.*$/m, '')]) {
      expect(problems({ endpoint_ca_file: '/key' }, {}, { '/key': broken }), broken).toContain(
        'endpoint_ca_file: given',
      );
    }
    const { warnings } = load({}, { AWS_CA_BUNDLE: '/gone' });
    expect(warnings[0]).toContain('AWS_CA_BUNDLE names /gone');
  });
});

test('files of credentials are read again, and their values are secrets from then on', () => {
  const files: Record<string, string> = { '/id': 'AKIAONE\n', '/secret': 'secret-one\n' };
  const keys = { 'aws.access_key_id_file': '/id', 'aws.secret_access_key_file': '/secret' };
  const config = load(keys, {}, files);
  const { credentials, readCredentials, credentialsFrom } = bucket(keys, {}, files);
  expect(credentials).toEqual({ accessKeyId: 'AKIAONE', secretAccessKey: 'secret-one' });
  expect(credentialsFrom).toBe('aws.access_key_id_file and aws.secret_access_key_file');
  for (let n = 0; n < 200; n++) {
    files['/secret'] = `secret-${n}\n`;
    const again = config.bucket.kind === 's3' ? config.bucket.readCredentials?.() : undefined;
    expect(again).toEqual({ accessKeyId: 'AKIAONE', secretAccessKey: `secret-${n}` });
  }
  expect([...config.secretsReadAgain].slice(-3)).toEqual(['secret-198', 'AKIAONE', 'secret-199']);
  expect(config.secretsReadAgain.size).toBe(100);
  files['/secret'] = '\n';
  expect(() => readCredentials?.()).toThrow(
    'aws.secret_access_key_file: given a value that is not shown (command line); allowed: a file that is not empty',
  );
  delete files['/secret'];
  expect(() => readCredentials?.()).toThrow('the path of a file that exists');
  expect(bucket({ 'aws.access_key_id': 'a', 'aws.secret_access_key': 'b' })).not.toHaveProperty('readCredentials');
});

test('a prefix with the placeholders of other programs is warned of', () => {
  for (const prefix of ['year=%Y/', '{{type}}/', '!{timestamp:yyyy}/', 'a/${topic}/']) {
    expect(load({ prefix }).warnings, prefix).toHaveLength(1);
  }
  for (const prefix of ['events/', 'a=b/', '100%/', 'a$1{/', '50%-off/']) expect(load({ prefix }).warnings).toEqual([]);
  expect(load({ bucket: 'file:///d', prefix: 'year=%Y/' }).warnings[0]).toContain('prefix contains %Y');
});
