import { expect, test } from 'vitest';
import { type Environment, loadConfig } from './index.ts';

const BASE = { bucket: 'events', region: 'us-west-2' };
const ROLE = 'arn:aws:iam::123456789012:role/sink';
const KEY = { access_key_id: 'AKIATOP', secret_access_key: 'top-secret' };
const OWN = { access_key_id: 'AKIAOWN', secret_access_key: 'own-secret' };

function load(overrides: object, files: Readonly<Record<string, string>> = {}, env: Environment = {}) {
  return loadConfig({
    env: { HOME: '/home', ...env },
    overrides: { ...BASE, ...overrides },
    readText: (path) => (files[path] === undefined ? 'missing' : { text: files[path] }),
  });
}

function routeBucket(aws: object, top: object = {}, files: Record<string, string> = {}) {
  const config = load({ ...top, routes: [{ name: 'a', aws }] }, files);
  return { config, bucket: config.routes[0]?.own.bucket };
}

test('a profile or a role is part of the bucket, and messages say where credentials come from', () => {
  expect(load({ aws: { profile: 'team' } }).bucket).toMatchObject({
    profile: 'team',
    credentialsFrom: 'the profile team (/home/.aws/config, /home/.aws/credentials)',
  });
  const aws = { ...KEY, role_arn: ROLE, external_id: 'ex-1', session_name: 'me' };
  expect(load({ aws }).bucket).toMatchObject({
    credentials: { accessKeyId: 'AKIATOP' },
    role: { arn: ROLE, externalId: 'ex-1', sessionName: 'me' },
    credentialsFrom: `the role ${ROLE} (aws.role_arn), assumed with aws.access_key_id and aws.secret_access_key`,
  });
  expect(load({ aws: { role_arn: ROLE } }).bucket).toMatchObject({ role: { arn: ROLE, sessionName: 'sink-aws-s3' } });
  const irsa = { AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: '/token' };
  expect(load({}, {}, irsa).bucket).toMatchObject({
    credentialsFrom: expect.stringContaining(`the role ${ROLE} with the web identity token /token`) as string,
  });
});

test('the region comes from the profile that the configuration names', () => {
  const files = { '/home/.aws/config': '[profile team]\nregion = eu-west-3\n' };
  expect(load({ region: undefined, aws: { profile: 'team' } }, files).bucket).toMatchObject({ region: 'eu-west-3' });
});

test('a route with a key or a profile takes nothing from the top level; one with a role assumes it with what is there', () => {
  const top = { aws: { ...KEY, role_arn: ROLE, external_id: 'top' } };
  const alone = routeBucket(OWN, top).bucket;
  expect(alone).toMatchObject({ name: 'events', credentials: { accessKeyId: 'AKIAOWN' } });
  expect(alone).not.toHaveProperty('role');
  const other = routeBucket({ role_arn: `${ROLE}2` }, top).bucket;
  expect(other).toMatchObject({
    credentials: { accessKeyId: 'AKIATOP' },
    role: { arn: `${ROLE}2` },
    credentialsFrom: `the role ${ROLE}2 (routes[0].aws.role_arn), assumed with aws.access_key_id and aws.secret_access_key`,
  });
  expect(other).not.toHaveProperty('role.externalId');
  const profile = routeBucket({ profile: 'team' }, top).bucket;
  expect(profile).toMatchObject({ profile: 'team' });
  expect(profile).not.toHaveProperty('credentials');
});

test('files of the key of a route are read again; what they contain is secret', () => {
  const files: Record<string, string> = { '/id': 'AKIAONE\n', '/secret': 'one\n' };
  const given = { access_key_id_file: '/id', secret_access_key_file: '/secret' };
  const { config, bucket } = routeBucket(given, {}, files);
  expect(bucket).toMatchObject({ credentials: { accessKeyId: 'AKIAONE', secretAccessKey: 'one' } });
  files['/secret'] = 'two\n';
  expect(bucket?.kind === 's3' && bucket.readCredentials?.()).toEqual({
    accessKeyId: 'AKIAONE',
    secretAccessKey: 'two',
  });
  expect([...config.secretsReadAgain]).toEqual(expect.arrayContaining(['one', 'two']));
  delete files['/secret'];
  expect(() => bucket?.kind === 's3' && bucket.readCredentials?.()).toThrow('routes[0].aws.secret_access_key_file');
  expect(() => routeBucket(given, {}, files)).toThrow(
    'routes[0].aws.secret_access_key_file: given a value that is not shown; allowed: the path of a file that exists',
  );
  expect(routeBucket(OWN).config.secrets).toEqual(expect.arrayContaining(['AKIAOWN', 'own-secret']));
});

test.each<[object, RegExp]>([
  [{ aws: { external_id: 'ex' } }, /aws\.external_id: .*only together with aws\.role_arn/],
  [{ aws: { session_name: 'me' } }, /aws\.session_name: .*only together with aws\.role_arn/],
  [{ aws: { ...KEY, profile: 'team' } }, /aws\.profile: .*not both/],
  [{ aws: { role_arn: 'sink' } }, /aws\.role_arn: .*the ARN of a role/],
  [{ routes: [{ name: 'a', aws: { access_key_id: 'x' } }] }, /routes\[0\]\.aws\.secret_access_key: .*both/],
  [{ routes: [{ name: 'a', aws: { external_id: 'ex' } }] }, /routes\[0\]\.aws\.external_id: .*only together/],
  [{ routes: [{ name: 'a', drop: true, aws: OWN }] }, /routes\[0\]\.aws: .*stores nothing/],
  [{ bucket: 'file:///d', routes: [{ name: 'a', aws: OWN }] }, /routes\[0\]\.aws: .*only for a bucket of S3/],
  [{ accelerate: true, endpoint: 'http://s3:8333' }, /accelerate: .*false with an endpoint \(endpoint\)/],
  [{ use_fips: true, endpoint: 'http://s3:8333' }, /use_fips: .*false with an endpoint/],
  [{ use_dualstack: true, endpoint: 'http://s3:8333' }, /use_dualstack: .*false with an endpoint/],
  [{ accelerate: true, use_fips: true }, /accelerate: .*no FIPS endpoints/],
  [{ accelerate: true, force_path_style: true }, /accelerate: .*bucket in the host name/],
  [{ accelerate: true, bucket: 'my.events' }, /accelerate: .*has a dot/],
])('refused: %j', (given, message) => {
  expect(() => load(given)).toThrow(message);
});

test('the addresses of AWS can be chosen', () => {
  const keys = { use_fips: true, use_dualstack: true, force_path_style: false };
  expect(load(keys).bucket).toMatchObject({ useFips: true, useDualstack: true, forcePathStyle: false });
  expect(load({ accelerate: true }).bucket).toMatchObject({ accelerate: true });
  expect(load({ accelerate: false, endpoint: 'http://s3:8333' }).bucket).toMatchObject({ accelerate: false });
});
