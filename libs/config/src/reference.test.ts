import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { environmentName } from './keys.ts';
import { jsonSchema, renderJsonSchema, renderReference } from './reference.ts';
import { settingPaths } from './settings.ts';
import { normalizeKey } from './spelling.ts';

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
