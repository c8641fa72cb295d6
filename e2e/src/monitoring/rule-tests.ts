import { ALERTS, type AlertName } from './alerts.ts';
import { annotationsOf } from './alert-documents.ts';

/** Series by selector, in promtool's notation: a value a minute (`0+3x20`: 0, then 3 more each minute, twenty times). */
type Series = Readonly<Record<string, string>>;

interface RuleTest {
  /** With these series the alert fires after half an hour. */
  readonly fires: Series;
  /** With these it does not: near misses, and what has an alert of its own. */
  readonly quiet: Series;
  /** Of the alert that fires, beside those of the target and the severity. */
  readonly labels?: Readonly<Record<string, string>>;
}

const AT = '30m';
const ON = 'job="sink", instance="a"';

function refusals(reason: string, ...others: string[]): RuleTest {
  const series = (name: string, values: string): [string, string] => [
    `sink_ingest_requests_refused_total{${ON}, reason="${name}"}`,
    values,
  ];
  return {
    fires: Object.fromEntries([series(reason, '0+1x30')]),
    // The first refusals were long ago.
    quiet: Object.fromEntries([series(reason, '0+1x10 10x20'), ...others.map((name) => series(name, '0+1x30'))]),
  };
}

/** One value over the whole time. */
function gauge(name: string, value: number, labels = ''): [string, string] {
  return [`${name}{${ON}${labels}}`, `${value}x30`];
}

function above(name: string, fires: number, quiet: number, labels = ''): RuleTest {
  const [, label = '', value = ''] = /(\w+)="([\w-]+)"/.exec(labels) ?? [];
  return {
    fires: Object.fromEntries([gauge(name, fires, labels)]),
    quiet: Object.fromEntries([gauge(name, quiet, labels)]),
    ...(label === '' ? {} : { labels: { [label]: value } }),
  };
}

const ISSUER = ', issuer="https://a"';
const LANE = ', lane="1"';

/** Seconds from the 2xx to S3 of ten segments a minute: all within 120 s, or all later. */
function storing(late: boolean): Series {
  const bucket = (le: string, values: string): [string, string] => [
    `sink_accepted_to_stored_seconds_bucket{${ON}, le="${le}"}`,
    values,
  ];
  return Object.fromEntries([
    bucket('120', late ? '0x30' : '0+10x30'),
    bucket('1800', '0+10x30'),
    bucket('+Inf', '0+10x30'),
    gauge('sink_scheduled_interval_seconds', 60),
  ]);
}

export const RULE_TESTS: Readonly<Record<AlertName, RuleTest>> = {
  SinkRefusesEvents: refusals('redis_away', 'too_slow', 'json', 'overloaded'),
  SinkInternalErrors: refusals('internal', 'redis_away'),
  SinkInFlightFull: refusals('in_flight_full', 'redis_away'),
  SinkQuarantine: {
    fires: { [`sink_ingest_events_quarantined_total{${ON}, reason="json"}`]: '0+1x30' },
    // What is refused and not kept has an alert of its own.
    quiet: {
      [`sink_ingest_events_quarantined_total{${ON}, reason="json"}`]: '0+1x10 10x20',
      [`sink_ingest_quarantine_limited_total{${ON}, limit="bytes"}`]: '0x30',
      [`sink_ingest_requests_refused_total{${ON}, reason="json"}`]: '0+1x30',
    },
  },
  SinkOverloaded: refusals('overloaded', 'redis_away'),
  SinkProducerLimited: {
    fires: {
      [`sink_ingest_producer_requests_refused_total{${ON}, producer="p", reason="events_per_second"}`]: '0+1x30',
    },
    quiet: {
      [`sink_ingest_producer_requests_refused_total{${ON}, producer="p", reason="events_per_second"}`]: '0+1x10 10x20',
      [`sink_ingest_producer_requests_refused_total{${ON}, producer="p", reason="json"}`]: '0+1x30',
    },
    labels: { producer: 'p' },
  },
  SinkSchemasAway: {
    fires: { [`sink_ingest_validated_events_total{${ON}, result="away"}`]: '0+1x30' },
    quiet: {
      [`sink_ingest_validated_events_total{${ON}, result="away"}`]: '0+1x10 10x20',
      [`sink_ingest_validated_events_total{${ON}, result="not_found"}`]: '0+1x30',
    },
  },
  SinkProducerMistakes: refusals(
    'json',
    'events_per_second',
    'too_slow',
    'disconnected',
    'stopping',
    'keys_away',
    'internal',
  ),
  SinkCredentialsRefused: refusals('credentials', 'json', 'keys_away', 'in_flight_full'),
  SinkProducerTrouble: above('sink_ingest_producer_trouble', 1, 0, ', producer="billing"'),
  SinkConnectionsDropped: {
    fires: { [`sink_ingest_connections_dropped_total{${ON}}`]: '0+1x30' },
    quiet: { [`sink_ingest_connections_dropped_total{${ON}}`]: '5x30' },
  },
  SinkKeysNotFetched: {
    fires: Object.fromEntries([gauge('sink_ingest_key_age_seconds', 601, ISSUER)]),
    // Until the next fetch.
    quiet: Object.fromEntries([gauge('sink_ingest_key_age_seconds', 310, ISSUER)]),
    labels: { issuer: 'https://a' },
  },
  SinkNotSealing: {
    fires: Object.fromEntries([
      gauge('sink_oldest_unsealed_age_seconds', 181, LANE),
      gauge('sink_scheduled_interval_seconds', 60),
    ]),
    quiet: Object.fromEntries([
      gauge('sink_oldest_unsealed_age_seconds', 179, LANE),
      gauge('sink_scheduled_interval_seconds', 60),
    ]),
    labels: { lane: '1' },
  },
  SinkNotStoring: above('sink_oldest_sealed_age_seconds', 601, 599, LANE),
  SinkUploadsParked: above('sink_uploads_parked', 1, 0),
  SinkSlowToStore: { fires: storing(true), quiet: storing(false) },
  SinkManifestsFail: {
    fires: { [`sink_manifests_total{${ON}, result="failed"}`]: '0+1x60' },
    quiet: { [`sink_manifests_total{${ON}, result="stored"}`]: '0+1x60' },
    labels: { result: 'failed' },
  },
  SinkBacklogHigh: {
    fires: Object.fromEntries([gauge('sink_backlog_bytes', 71, LANE), gauge('sink_backlog_max_bytes', 100, LANE)]),
    // Each lane has a limit of its own.
    quiet: Object.fromEntries([
      gauge('sink_backlog_bytes', 69, LANE),
      gauge('sink_backlog_max_bytes', 100, LANE),
      gauge('sink_backlog_max_bytes', 10, ', lane="2"'),
    ]),
    labels: { lane: '1' },
  },
  SinkSpilling: above('sink_spilled_bytes', 1, 0, LANE),
  SinkSpilledUnattended: above('sink_segments_spilled_unattended', 1, 0),
  SinkFilesQuarantined: above('sink_spool_files_quarantined_total', 1, 0),
  SinkDiskLow: {
    fires: Object.fromEntries([gauge('sink_disk_free_bytes', 109), gauge('sink_disk_reserve_bytes', 100)]),
    quiet: Object.fromEntries([gauge('sink_disk_free_bytes', 111), gauge('sink_disk_reserve_bytes', 100)]),
  },
  SinkRedisMemoryHigh: {
    fires: Object.fromEntries([gauge('sink_redis_memory_used_bytes', 91), gauge('sink_redis_memory_max_bytes', 100)]),
    // Without a maxmemory.
    quiet: Object.fromEntries([gauge('sink_redis_memory_used_bytes', 91), gauge('sink_redis_memory_max_bytes', 0)]),
  },
  SinkDedupeForgetsEarly: {
    fires: { [`sink_dedupe_forgotten_early{${ON}${LANE}}`]: '2x20 3x10' },
    // Redis has no fingerprints any more.
    quiet: { [`sink_dedupe_forgotten_early{${ON}${LANE}}`]: '2x20 0x10' },
    labels: { lane: '1' },
  },
  SinkDown: {
    fires: { [`up{${ON}}`]: '1x20 0x10', [`sink_ready{${ON}}`]: '1x20 stale' },
    // Another program; and a process of the sink that was taken out of service.
    quiet: {
      'up{job="other", instance="b"}': '0x30',
      [`up{${ON}}`]: '1x20 stale',
      [`sink_ready{${ON}}`]: '1x20 stale',
    },
  },
  SinkNotReady: {
    fires: { [`sink_ready{${ON}}`]: '1x20 0x10' },
    // For two minutes, as while a service starts again.
    quiet: { [`sink_ready{${ON}}`]: '1x27 0x3' },
  },
  SinkReplicasOutOfSync: above('sink_redis_replicas_in_sync', 0, -1),
  SinkForeignEntries: above('sink_batcher_foreign_entries_total', 1, 0, LANE),
  SinkCertificateExpires: {
    fires: Object.fromEntries([
      gauge('sink_ingest_certificate_days_left', 6),
      gauge('sink_ingest_certificate_days', 90),
    ]),
    // Valid for three days in all, and two are left.
    quiet: Object.fromEntries([
      gauge('sink_ingest_certificate_days_left', 2),
      gauge('sink_ingest_certificate_days', 3),
    ]),
  },
  SinkCertificateRejected: above('sink_ingest_certificate_rejected', 1, 0),
  SinkConfigRejected: above('sink_config_rejected', 1, 0),
  SinkConfigWaits: {
    fires: { [`sink_config_pending_restart{${ON}, key="port"}`]: '1x100' },
    // The key was changed a moment ago, or is no longer.
    quiet: {
      [`sink_config_pending_restart{${ON}, key="port"}`]: '_x20 1x10',
      [`sink_config_pending_restart{${ON}, key="lanes"}`]: '1x20 stale',
    },
    labels: { key: 'port' },
  },
};

/** A file for `promtool test rules`: each alert fires once, and stays quiet once. JSON is YAML. */
export function promtoolTests(rulesFile: string): string {
  const tests = ALERTS.flatMap((alert) => {
    const { fires, quiet, labels = {} } = RULE_TESTS[alert.name];
    const exp_labels = { job: 'sink', instance: 'a', ...labels, severity: alert.severity };
    const expected = { exp_labels, exp_annotations: annotationsOf(alert) };
    return [
      testOf(`${alert.name} fires`, fires, alert.name, [expected]),
      testOf(`${alert.name} stays quiet`, quiet, alert.name, []),
    ];
  });
  return JSON.stringify({ rule_files: [rulesFile], evaluation_interval: '1m', tests }, null, 1);
}

function testOf(name: string, given: Series, alertname: string, exp_alerts: readonly object[]): object {
  const input_series = Object.entries(given).map(([series, values]) => ({ series, values }));
  return { name, interval: '1m', input_series, alert_rule_test: [{ eval_time: AT, alertname, exp_alerts }] };
}
