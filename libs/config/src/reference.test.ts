import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { environmentName } from './keys.ts';
import { jsonSchema, renderJsonSchema, renderReference } from './reference.ts';
import { settingPaths } from './settings.ts';
import { normalizeKey } from './spelling.ts';
import { refusedIn } from './test/json-schema.ts';

const docs = new URL('../../../docs/', import.meta.url);

test('the reference and the JSON Schema are what "npm run docs" writes', () => {
  expect(readFileSync(new URL('configuration.md', docs), 'utf8')).toBe(renderReference());
  expect(readFileSync(new URL('config.schema.json', docs), 'utf8')).toBe(renderJsonSchema());
});

test('no two keys are the same when case and separators are left out', () => {
  expect(new Set(settingPaths.map(normalizeKey)).size).toBe(settingPaths.length);
  expect(new Set(settingPaths.map(environmentName)).size).toBe(settingPaths.length);
});

test('the JSON Schema knows nested keys and their limits', () => {
  expect(jsonSchema()).toMatchObject({
    additionalProperties: false,
    properties: {
      lanes: { type: 'integer', minimum: 1, maximum: 64, default: 1 },
      redis: { additionalProperties: false, properties: { db: { type: 'integer' }, url: { type: 'string' } } },
      compression: { enum: ['none', 'gzip', 'zstd'] },
    },
  });
});

test('the JSON Schema takes what the documents show, and a text in place of a list of one', () => {
  const refused = (value: unknown): string[] => refusedIn(jsonSchema(), value);
  const blocks = ['security.md', 'validation.md', 'quarantine.md'].flatMap((file) =>
    [...readFileSync(new URL(file, docs), 'utf8').matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text = '']) => text),
  );
  // Values of the chart are not of the configuration.
  const examples = blocks.filter((text) => !text.startsWith('extra'));
  expect(examples.length).toBeGreaterThanOrEqual(5);
  const texts = `
webhook_allowed_origins: a.example,b.example
schemas: { allow_hosts: 'a,b' }
producers:
  - { name: a, jwt: { issuer: https://a.example, audience: sink, algorithms: RS256, subjects: b }, only: { types: t } }
`;
  for (const example of [...examples, texts]) expect(refused(parse(example)), example).toEqual([]);
  const wrong = {
    schemas: { directories: [{ uri: 'https://a.example/' }], allow_hosts: 5 },
    producers: [{ nam: 'a' }],
  };
  expect(refused(wrong)).toEqual([
    '/schemas/directories/0',
    '/schemas/allow_hosts',
    '/producers/0/name',
    '/producers/0/nam',
  ]);
});
