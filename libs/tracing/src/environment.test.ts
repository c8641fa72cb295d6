import { expect, test } from 'vitest';
import { readTracingEnvironment } from './environment.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

test('without an endpoint tracing is off', () => {
  for (const env of [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
    { OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' },
  ])
    expect(readTracingEnvironment(env)).toEqual({ settings: null, warnings: [] });
});

test('with an endpoint it has the defaults of the specification', () => {
  const settings = {
    endpoint: 'http://collector:4318/',
    sampling: { parentBased: true, root: { kind: 'on' } },
    queueMax: 2_048,
    batchMax: 512,
    delayMs: 5_000,
    exportTimeoutMs: 30_000,
  };
  expect(readTracingEnvironment(ENDPOINT)).toEqual({ settings, warnings: [] });
  const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://u:p@traces.example:4318/v1/traces?key=secret' };
  expect(readTracingEnvironment(own).settings?.endpoint).toBe('https://traces.example:4318/v1/traces');
});

test.each([{ OTEL_SDK_DISABLED: 'true' }, { OTEL_SDK_DISABLED: 'TRUE' }, { OTEL_TRACES_EXPORTER: 'none' }])(
  '%j switches it off',
  (env) => expect(readTracingEnvironment({ ...ENDPOINT, ...env })).toEqual({ settings: null, warnings: [] }),
);

test.each([
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/json'],
  ['OTEL_TRACES_EXPORTER', 'zipkin'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'no URL'],
])('%s=%s: nothing is traced, and a warning says so', (name, value) => {
  const { settings, warnings } = readTracingEnvironment({ ...ENDPOINT, [name]: value });
  expect(settings).toBeNull();
  expect(warnings).toEqual([expect.stringMatching(/^OTEL_.*; nothing is traced$/)]);
});

test.each([
  ['always_on', undefined, { parentBased: false, root: { kind: 'on' } }],
  ['always_off', undefined, { parentBased: false, root: { kind: 'off' } }],
  ['traceidratio', '0.25', { parentBased: false, root: { kind: 'ratio', ratio: 0.25 } }],
  ['traceidratio', undefined, { parentBased: false, root: { kind: 'ratio', ratio: 1 } }],
  ['parentbased_always_on', undefined, { parentBased: true, root: { kind: 'on' } }],
  ['parentbased_always_off', '1', { parentBased: true, root: { kind: 'off' } }],
  ['parentbased_traceidratio', '0', { parentBased: true, root: { kind: 'ratio', ratio: 0 } }],
])('sampler %s with %s', (name, arg, sampling) => {
  const env = { ...ENDPOINT, OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: arg };
  expect(readTracingEnvironment(env)).toMatchObject({ settings: { sampling }, warnings: [] });
});

test.each([
  [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, { sampling: { parentBased: true, root: { kind: 'on' } } }],
  [
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '1 %' },
    { sampling: { parentBased: false, root: { kind: 'ratio', ratio: 1 } } },
  ],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }, {}],
  [{ OTEL_BSP_MAX_QUEUE_SIZE: '-1' }, { queueMax: 2_048 }],
  [{ OTEL_BSP_SCHEDULE_DELAY: 'soon' }, { delayMs: 5_000 }],
])('%j is warned of and ignored', (env, settings) => {
  const read = readTracingEnvironment({ ...ENDPOINT, ...env });
  expect(read.settings).toMatchObject(settings);
  expect(read.warnings).toHaveLength(1);
});

test('the queue is as the environment has it', () => {
  const env = {
    ...ENDPOINT,
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '400',
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_BSP_EXPORT_TIMEOUT: '70',
  };
  const settings = { queueMax: 100, batchMax: 100, delayMs: 50, exportTimeoutMs: 70 };
  expect(readTracingEnvironment(env)).toMatchObject({ settings, warnings: [] });
});
