import { expect, test } from 'vitest';
import { renderChartSchema } from './chart-schema.ts';
import { ConfigInForce } from './in-force.ts';
import { loadConfig } from './load.ts';
import { ConfigError } from './problems.ts';
import { jsonSchema } from './reference.ts';

const AT = '/c.yml';

function load(text: string, env: Readonly<Record<string, string>> = {}) {
  return loadConfig({ file: AT, env, readText: (path) => (path === AT ? { text } : 'missing') });
}

function said(text: string, env: Readonly<Record<string, string>> = {}): string[] {
  try {
    load(text, env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').slice(1);
  }
}

const ALL = `
producers:
  - name: vanus
    basic: { user: vanus, password: "hunter2,2" }
  - { name: billing, bearer: { tokens_file: /secrets/billing } }
  - name: eventbridge
    header: X-Api-Key
    Bearer: { Tokens: [token-one, token-two] }
  - { name: event-grid, query: { parameter: code, tokensFile: /secrets/grid } }
  - name: knative
    jwt:
      issuer: https://kubernetes.default.svc
      audience: sink-aws-s3
      algorithms: [RS256]
      subjects: ['system:serviceaccount:a:b']
      claims: { azp: Me_too, Some_Claim: [1, true] }
  - { name: hooks, hmac: { secret_file: /secrets/hooks } }
  - name: mesh
    mtls: { subjects: 'CN=a,O=b', san: ['spiffe://a/b'] }
    limits: { events_per_second: "5000", bytes_per_second: 20MB, requests_in_flight: 200 }
    only: { types: [com.example.*], sources: [/billing/*] }
tls: { cert_file: /c, key_file: /k, client_ca_file: /a }
`;
const FREE = {
  limits: { eventsPerSecond: null, bytesPerSecond: null, requestsInFlight: null },
  only: { types: null, sources: null },
};

test('each kind of producer is read, in any spelling of its keys; names that users choose keep theirs', () => {
  expect(load(ALL).producers).toEqual([
    { name: 'vanus', credential: { kind: 'basic', user: 'vanus', passwords: { values: ['hunter2,2'] } }, ...FREE },
    { name: 'billing', credential: { kind: 'bearer', header: null, tokens: { file: '/secrets/billing' } }, ...FREE },
    {
      name: 'eventbridge',
      credential: { kind: 'bearer', header: 'X-Api-Key', tokens: { values: ['token-one', 'token-two'] } },
      ...FREE,
    },
    {
      name: 'event-grid',
      credential: { kind: 'query', parameter: 'code', tokens: { file: '/secrets/grid' } },
      ...FREE,
    },
    {
      name: 'knative',
      credential: {
        kind: 'jwt',
        issuer: 'https://kubernetes.default.svc',
        audiences: ['sink-aws-s3'],
        jwksUrl: null,
        jwksCaFile: null,
        jwksTokenFile: null,
        algorithms: ['RS256'],
        subjects: ['system:serviceaccount:a:b'],
        claims: { azp: ['Me_too'], Some_Claim: [1, true] },
      },
      ...FREE,
    },
    {
      name: 'hooks',
      credential: { kind: 'hmac', scheme: 'standard-webhooks', secrets: { file: '/secrets/hooks' } },
      ...FREE,
    },
    {
      name: 'mesh',
      credential: { kind: 'mtls', subjects: ['CN=a,O=b'], san: ['spiffe://a/b'] },
      limits: { eventsPerSecond: 5000, bytesPerSecond: 20_000_000, requestsInFlight: 200 },
      only: { types: ['com.example.*'], sources: ['/billing/*'] },
    },
  ]);
  expect(load('').producers).toEqual([]);
});

test('in the environment producers are JSON, and override those of the file', () => {
  const SINK_PRODUCERS = '[{"name":"a","bearer":{"tokens":["t-1"]}}]';
  expect(load(ALL, { SINK_PRODUCERS }).producers.map(({ name }) => name)).toEqual(['a']);
  expect(said('', { SINK_PRODUCERS: '[{' })).toEqual([
    expect.stringMatching(
      /^ {2}producers: given a value that is not shown \(environment SINK_PRODUCERS\); allowed: a list of /,
    ),
  ]);
});

test('a mistake names its place, what is given and what is allowed; all of them at once', () => {
  const text = `
producers:
  - { name: a, bearer: { tokens: [t] } }
  - { name: B, basic: { user: "x:y", password: p, pasword_file: /f } }
  - { name: c, bearer: { token_file: /f } }
  - { name: d, bearer: { tokens: [t], tokens_file: 17 }, limits: { events_per_second: 0 } }
  - { name: a, bearer: { tokens: [t] }, query: { parameter: code, tokens: [t] } }
  - { name: e, header: X-Key, basic: { user: u, password: p } }
  - { bearer: { tokens: [t], Tokens: [u] } }
  - { name: f, jwt: { issuer: kubernetes, algorithms: [HS256] } }
  - { name: g, jwt: { issuer: kubernetes, audience: x } }
  - { name: h, mtls: {} }
`;
  expect(said(text)).toEqual([
    '  producers[1].name: given "B" (/c.yml); allowed: 1 to 40 lower-case letters, digits and hyphens',
    '  producers[1].basic.user: given a value that is not shown (/c.yml); allowed: text without a colon',
    '  producers[1].basic.pasword_file: given a key that does not exist (/c.yml); allowed: user, password, password_file; did you mean password_file?',
    '  producers[2].bearer.token_file: given a key that does not exist (/c.yml); allowed: tokens, tokens_file; did you mean tokens_file?',
    '  producers[3].bearer.tokens_file: given a value that is not shown (/c.yml); allowed: the path of a readable file',
    '  producers[3].limits.events_per_second: given 0 (/c.yml); allowed: a whole number from 1 to 1000000000',
    '  producers[4]: given a mapping with name, bearer, query (/c.yml); allowed: exactly one of basic, bearer, query, jwt, hmac, mtls in each',
    '  producers[5].header: given a value that is not shown (/c.yml); allowed: only together with bearer',
    '  producers[6].name: given nothing (/c.yml); allowed: 1 to 40 lower-case letters, digits and hyphens',
    '  producers[6].bearer.Tokens: given twice, as tokens and as Tokens (/c.yml); allowed: one of the two',
    '  producers[7].jwt.algorithms[0]: given "HS256" (/c.yml); allowed: a list of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA',
    '  producers[8].jwt.issuer: given "kubernetes" (/c.yml); allowed: an https:// address without credentials (http:// only for this machine), or jwks_url beside it',
    '  producers[9].mtls: given a mapping with no key (/c.yml); allowed: subjects, san or both',
  ]);
});

test('exactly one credential for each, one source of its secrets, and no name twice', () => {
  const of = (item: string): string[] => said(`producers: [{ name: a, bearer: { tokens: [t] } }, ${item}]`);
  const kinds = 'exactly one of basic, bearer, query, jwt, hmac, mtls in each';
  for (const [item, key, allowed] of [
    ['{ name: b }', 'producers[1]', kinds],
    ['{ name: b, bearer: { tokens: [t] }, query: { parameter: c, tokens: [t] } }', 'producers[1]', kinds],
    ['{ name: b, header: X-Key, basic: { user: u, password: p } }', 'producers[1].header', 'only together with bearer'],
    ['{ name: b, bearer: {} }', 'producers[1].bearer', 'exactly one of tokens and tokens_file'],
    ['{ name: b, basic: { user: u, password: p, password_file: f } }', 'producers[1].basic', 'exactly one of password'],
    ['{ name: b, mtls: {} }', 'producers[1].mtls', 'subjects, san or both'],
    ['{ name: b, jwt: { issuer: "https://i" } }', 'producers[1].jwt.audience', 'a list of texts'],
    [
      '{ name: b, jwt: { issuer: i, audience: x } }',
      'producers[1].jwt.issuer',
      'an https:// address without credentials',
    ],
    ['{ name: a, bearer: { tokens: [t] } }', 'producers[1].name', 'a name that no other producer has'],
  ] as const) {
    const [line = '', ...more] = of(item);
    expect(more, item).toEqual([]);
    expect(line, item).toContain(`  ${key}: given `);
    expect(line, item).toContain(`allowed: ${allowed}`);
  }
});

test.each([
  ...['constructor', 'toString', '__proto__', 'hasOwnProperty', 'Cookie', 'Set-Cookie', 'CE-Id', 'ce-', 'Content-Type'],
  ...['content-md5', 'User-Agent', 'traceparent', 'Host', 'Date'],
])('the header %s is no place for a token, and the message says which is', (header) => {
  expect(said(`producers: [{ name: a, header: ${header}, bearer: { tokens: [t] } }]`)).toEqual([
    '  producers[0].header: given a value that is not shown (/c.yml); allowed: a header of its own, such as X-Api-Key: not one that has another meaning, or is kept with events',
  ]);
});

test('other headers are places for a token', () => {
  for (const header of ['X-Api-Key', 'Authorization', 'X-Content-Key', 'api_key', 'Cecilia']) {
    expect(said(`producers: [{ name: a, header: ${header}, bearer: { tokens: [t] } }]`), header).toEqual([]);
  }
});

test('a secret of blanks is none', () => {
  for (const [kind, key] of [
    ['hmac: { secret: "  ", scheme: github }', 'hmac.secret'],
    ['basic: { user: u, password: " \\t" }', 'basic.password'],
    ['bearer: { tokens: [" "] }', 'bearer.tokens[0]'],
    ['query: { parameter: code, tokens: [t, ""] }', 'query.tokens[1]'],
  ] as const) {
    expect(said(`producers: [{ name: a, ${kind} }]`), kind).toEqual([
      expect.stringContaining(`  producers[0].${key}: given a value that is not shown`),
    ]);
  }
  expect(load('producers: [{ name: a, basic: { user: u, password: " p " } }]').producers).toMatchObject([
    { credential: { passwords: { values: [' p '] } } },
  ]);
});

test('mtls needs the authorities of clients', () => {
  const text = 'producers: [{ name: a, mtls: { subjects: CN=a } }]';
  expect(said(text)).toEqual([expect.stringContaining('allowed: mtls only with tls.client_ca_file')]);
  expect(said(`${text}\ntls: { cert_file: /c, key_file: /k, client_ca_file: /a }`)).toEqual([]);
});

test('secrets inside are secrets: not in a message, and known to the log', () => {
  const { secrets } = load(ALL);
  expect(secrets).toEqual(expect.arrayContaining(['hunter2,2', 'token-one', 'token-two']));
  for (const text of [
    'producers: s3cr3t',
    'producers: [s3cr3t]',
    'producers: [{ name: a, bearer: s3cr3t }]',
    'producers: [{ name: a, bearer: { tokens: ["s3cr3t with blanks"] } }]',
    'producers: [{ name: a, basic: { user: u, password: [s3cr3t] } }]',
    'producers: [{ name: a, bearer: { tokens_file: [s3cr3t] } }]',
    'producers: [{ name: a, basic: { user: "u:s3cr3t", password: p } }]',
    'producers: [{ name: a, header: "Bearer s3cr3t", bearer: { tokens: [t] } }]',
    'producers: [{ name: a, header: s3cr3t, query: { parameter: code, tokens: [t] } }]',
    'producers: [{ name: a, query: { parameter: "code=s3cr3t", tokens: [t] } }]',
    'producers: [{ name: a, query: { parameter: [s3cr3t], tokens: [t] } }]',
    'producers: [{ name: a, hmac: { secret: "${S}", scheme: s3cr3t } }]'.replace('s3cr3t', 'other'),
  ]) {
    expect(said(text, { S: 's3cr3t' }).join('\n'), text).toMatch(/producers/);
    expect(said(text, { S: 's3cr3t' }).join('\n'), text).not.toContain('s3cr3t');
  }
});

test('variables are replaced inside', () => {
  const { producers } = load('producers: [{ name: a, bearer: { tokens: ["${T}"] } }]', { T: 'token-x' });
  expect(producers).toMatchObject([{ credential: { tokens: { values: ['token-x'] } } }]);
});

test('producers change while the sink runs; what is told of it has no secrets, and the log learns the new ones', () => {
  let text = 'producers: [{ name: a, bearer: { tokens: [token-one] } }]';
  const inForce = new ConfigInForce({ file: AT, env: {}, readText: (path) => (path === AT ? { text } : 'missing') });
  const { secretsReadAgain } = inForce.config;
  text = 'producers: [{ name: b, Bearer: { TOKENS: [token-two] }, limits: { events_per_second: 5 } }]';
  const reloaded = inForce.reload();
  expect(JSON.stringify(reloaded)).not.toMatch(/token-/);
  expect(reloaded).toMatchObject({
    kind: 'applied',
    changed: [
      {
        key: 'producers',
        after: '[{"name":"b","Bearer":{"TOKENS":"(not shown)"},"limits":{"events_per_second":5}}]',
      },
    ],
  });
  expect(inForce.config.producers.map(({ name }) => name)).toEqual(['b']);
  expect([...secretsReadAgain]).toContain('token-two');
  const before = inForce.config.producers;
  text += '\nflush_size: 7';
  inForce.reload();
  expect(inForce.config.producers).toBe(before);
});

test('the JSON Schema knows the keys inside; that of the chart, which is for a ConfigMap, has no place for secrets', () => {
  const texts = { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] };
  const inside = {
    additionalProperties: false,
    properties: { tokens_file: { type: 'string' }, tokens: texts },
  };
  expect(jsonSchema()).toMatchObject({
    properties: {
      producers: {
        type: 'array',
        items: {
          required: ['name'],
          additionalProperties: false,
          properties: { bearer: inside, only: { properties: { types: texts } } },
        },
      },
    },
  });
  const { properties } = JSON.parse(renderChartSchema()) as {
    properties: { config: { properties: { producers: unknown } } };
  };
  const chart = JSON.stringify(properties.config.properties.producers);
  expect(chart).toContain('"tokens_file"');
  expect(chart).toContain('"secret_file"');
  for (const key of ['tokens', 'password', 'secret']) expect(chart).not.toContain(`"${key}":`);
});

test('webhook_allowed_origins is a list of host names', () => {
  expect(load('webhook_allowed_origins: "eventgrid.azure.net, example.com"').webhookAllowedOrigins).toEqual([
    'eventgrid.azure.net',
    'example.com',
  ]);
  expect(load('').webhookAllowedOrigins).toBeNull();
  expect(said('webhook_allowed_origins: ["a b"]').join('')).toContain('webhook_allowed_origins');
});
