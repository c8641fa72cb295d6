import { expect, test } from 'vitest';
import { loadConfig } from './load.ts';
import { ConfigError } from './problems.ts';

function load(text: string, env: Readonly<Record<string, string>> = {}) {
  return loadConfig({ file: '/c.yml', env, readText: (path) => (path === '/c.yml' ? { text } : 'missing') });
}

function said(text: string): string {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
}

test('validation is off, and has no schemas', () => {
  expect(load('')).toMatchObject({
    validate: 'off',
    onRegistryAway: null,
    schemasDirectories: null,
    schemasRegistries: null,
    schemasAllowHosts: null,
  });
});

test('directories, registries and hosts', () => {
  const text = `
validate: strict
on_registry_away: accept
schemas:
  directories: [/etc/schemas, { path: /more, uri: https://schemas.example.com/ }]
  registries:
    - { kind: apicurio, url: "http://apicurio:8080/apis/registry/v3", bearer_file: /secrets/apicurio }
  allow_hosts: [schemas.example.com, "other.example:8443"]
`;
  const expected = {
    validate: 'strict',
    onRegistryAway: 'accept',
    schemasDirectories: [{ path: '/etc/schemas' }, { path: '/more', uri: 'https://schemas.example.com/' }],
    schemasRegistries: [
      { kind: 'apicurio', url: 'http://apicurio:8080/apis/registry/v3', bearer_file: '/secrets/apicurio' },
    ],
    schemasAllowHosts: ['schemas.example.com', 'other.example:8443'],
  };
  expect(load(text)).toMatchObject(expected);
  expect(
    load('', {
      SINK_VALIDATE: 'strict',
      SINK_ON_REGISTRY_AWAY: 'accept',
      SINK_SCHEMAS_DIRECTORIES: JSON.stringify([
        '/etc/schemas',
        { path: '/more', uri: 'https://schemas.example.com/' },
      ]),
      SINK_SCHEMAS_REGISTRIES: JSON.stringify(expected.schemasRegistries),
      SINK_SCHEMAS_ALLOW_HOSTS: 'schemas.example.com,other.example:8443',
    }),
  ).toMatchObject(expected);
});

test.each([
  ['validate: loose', 'validate: given "loose"'],
  ['schemas: { directories: [{ uri: "https://a.example/" }] }', 'schemas.directories[0].path: given nothing'],
  ['schemas: { directories: [{ path: /a, uri: a/b }] }', 'schemas.directories[0].uri: given "a/b"'],
  ['schemas: { directories: [{ path: /a, uri: "https://a.example/?q" }] }', 'schemas.directories[0].uri'],
  ['schemas: { registries: [{ kind: glue, url: "https://r.example" }] }', 'allowed: xregistry, confluent, apicurio'],
  [
    'schemas: { registries: [{ kind: apicurio, url: "https://user:password@r.example" }] }',
    'schemas.registries[0].url',
  ],
  ['schemas: { registries: [{ kind: apicurio, url: "ftp://r.example" }] }', 'schemas.registries[0].url'],
  ['schemas: { registries: [{ kind: apicurio, url: "https://r.example", token: x }] }', 'schemas.registries[0].token'],
  ['schemas: { allow_hosts: ["https://a.example"] }', 'schemas.allow_hosts'],
  ['schemas: { allow_hosts: ["*.example"] }', 'schemas.allow_hosts'],
  ['schemas: { allow_hosts: ["a.example/path"] }', 'schemas.allow_hosts'],
])('%s is refused', (text, problem) => {
  expect(said(text)).toContain(problem);
});
