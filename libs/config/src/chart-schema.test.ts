import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { renderChartSchema, renderLiveKeys } from './chart-schema.ts';
import { type JsonSchema, refusedIn } from './test/json-schema.ts';

const deploy = new URL('../../../deploy/', import.meta.url);
const chart = new URL('helm/sink-aws-s3/', deploy);

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
}

function yaml(file: string, from = chart): unknown {
  return parse(readFileSync(new URL(file, from), 'utf8'));
}

/** The paths of a tree of values that the schema refuses as unknown. */
function unknownIn(schema: Schema, value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || schema.properties === undefined) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const known = schema.properties?.[key];
    if (known === undefined) return schema.additionalProperties === false ? [`${path}${key}`] : [];
    return unknownIn(known, inner, `${path}${key}.`);
  });
}

/** The paths of the schema that have no value. */
function missingIn(schema: Schema, value: unknown, path = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    const given = (value as Record<string, unknown>)[key];
    if (given === undefined) return [`${path}${key}`];
    return path + key === 'config' ? [] : missingIn(inner, given, `${path}${key}.`);
  });
}

test('what the chart knows of the configuration is what "npm run docs" writes', () => {
  expect(readFileSync(new URL('files/live-keys.json', chart), 'utf8')).toBe(renderLiveKeys());
  expect(readFileSync(new URL('values.schema.json', chart), 'utf8')).toBe(renderChartSchema());
});

test('the schema and values.yaml have the same keys', () => {
  const schema = JSON.parse(renderChartSchema()) as Schema;
  const values = yaml('values.yaml');
  expect(unknownIn(schema, values)).toEqual([]);
  // `global` is what Helm hands to every chart, and the group of an issuer is rarely given.
  expect(missingIn(schema, values)).toEqual(['global', 'certificate.issuerRef.group']);
});

test('the schema has no secret, and no expression that the engine of Helm does not know', () => {
  const text = renderChartSchema();
  expect(text).not.toMatch(/\(\?[=!<]/);
  expect(text).not.toMatch(/[{,](?:[2-9]\d{3}|1\d*[1-9]\d{2}|1\d{4,}|\d{5,})\}"/);
  const { properties } = JSON.parse(text) as { properties: { config: Schema } };
  const unknown = unknownIn(properties.config, {
    aws: { access_key_id: '', secret_access_key: '', session_token: '', access_key_id_file: '' },
    redis: { password: '', sentinel_password: '', url: '' },
    data_dir: '',
    flush_size: 1,
  });
  expect(unknown).toEqual([
    'aws.access_key_id',
    'aws.secret_access_key',
    'aws.session_token',
    'redis.password',
    'redis.sentinel_password',
    'data_dir',
  ]);
});

test('the matrix has at least twenty sets of good values with known keys only, and wrong ones that say what is wrong', () => {
  const schema = JSON.parse(renderChartSchema()) as Schema;
  const good = readdirSync(new URL('helm/matrix/good/', deploy));
  expect(good.length).toBeGreaterThanOrEqual(20);
  for (const file of good) {
    const values = yaml(`helm/matrix/good/${file}`, deploy);
    expect(unknownIn(schema, values), file).toEqual([]);
    expect(refusedIn(schema as JsonSchema, values), file).toEqual([]);
  }
  for (const file of readdirSync(new URL('helm/matrix/wrong/', deploy))) {
    expect(readFileSync(new URL(`helm/matrix/wrong/${file}`, deploy), 'utf8'), file).toMatch(/^# names \S+\n/);
  }
});

test('chart and manifest name the version of the product', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', deploy), 'utf8')) as { version: string };
  expect(yaml('Chart.yaml')).toMatchObject({ version, appVersion: version });
  expect(readFileSync(new URL('kubernetes/sink-aws-s3.yaml', deploy), 'utf8')).toContain(
    `image: sink-aws-s3:${version}\n`,
  );
});
