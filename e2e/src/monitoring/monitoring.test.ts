import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALERTS, type AlertName } from './alerts.ts';
import { asPrometheusAsks, queriesOf } from './dashboard-queries.ts';
import { prometheusPrograms } from './programs.ts';
import { WatchedSink } from './watched-sink.ts';

const DASHBOARD = join(import.meta.dirname, '../../../deploy/grafana/sink-aws-s3.json');
const QUERIES = queriesOf(readFileSync(DASHBOARD, 'utf8'));
/** Alerts that the faults of `WatchedSink` bring about, apart from how long they have to last. */
const DUE: readonly AlertName[] = [
  'SinkRefusesEvents',
  'SinkProducerMistakes',
  'SinkUploadsParked',
  'SinkSpilling',
  'SinkNotReady',
  'SinkDown',
];
/** Metrics that are there only while something is so that `WatchedSink` does not bring about. */
const ONLY_WHILE = [
  'sink_config_pending_restart',
  // Only with TLS on the port: src/pipeline/tls.test.ts reads them.
  'sink_ingest_certificate_days',
  'sink_ingest_certificate_days_left',
  'sink_ingest_certificate_rejected',
  // Only with tokens of an issuer, and with validation: key-set.test.ts, src/oidc and validation.test.ts read them.
  'sink_ingest_key_age_seconds',
  'sink_ingest_validated_events_total',
];

let sink: WatchedSink;
beforeAll(async () => {
  sink = await WatchedSink.start();
  await sink.live();
}, 240_000);
afterAll(() => sink.stop());

describe('the dashboard', () => {
  it.each(QUERIES)('$panel, $legend: has data, with the labels of its legend', async ({ expr, legend }) => {
    const lines = await sink.prometheus.range(asPrometheusAsks(expr), sink.fromMs, sink.toMs);
    expect(lines).not.toEqual([]);
    const named = [...legend.matchAll(/{{(\w+)}}/g)].map(([, label = '']) => label);
    for (const { labels } of lines) expect(Object.keys(labels)).toEqual(expect.arrayContaining(named));
  });

  it('has variables with values', async () => {
    for (const label of ['namespace', 'job', 'instance']) {
      expect(await sink.prometheus.labelValues(label, 'sink_ready')).not.toEqual([]);
    }
  });
});

describe('the alerts', () => {
  it.each(ALERTS)('$name: its metrics have data', async ({ expr }) => {
    const names = [...new Set(expr.match(/\bsink_\w+/g))];
    expect(names).not.toEqual([]);
    for (const name of names.filter((used) => !ONLY_WHILE.includes(used))) {
      expect(await sink.prometheus.range(name, sink.fromMs, sink.toMs), name).not.toEqual([]);
    }
  });

  it('are evaluated without errors', async () => {
    const rules = await sink.prometheus.rules();
    expect(rules.map(({ name }) => name)).toEqual(ALERTS.map(({ name }) => name));
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  });

  it.each(ALERTS.filter(({ name }) => DUE.includes(name)))('$name: its condition was met', async ({ expr }) => {
    expect(await sink.prometheus.range(expr, sink.fromMs, sink.toMs)).not.toEqual([]);
  });
});

it('promtool finds nothing wrong with the metrics of any service', async () => {
  const { promtool } = await prometheusPrograms();
  for (const { name, opsUrl } of sink.pipeline.services) {
    const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
    const lint = await new Promise<string>((resolve) => {
      const child = execFile(promtool, ['check', 'metrics'], (error, stdout, stderr) =>
        resolve(error === null ? '' : `${stdout}${stderr}`),
      );
      child.stdin?.end(metrics);
    });
    expect(lint, name).toBe('');
  }
});
