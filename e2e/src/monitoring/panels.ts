/** A panel of deploy/grafana/sink-aws-s3.json. */
export interface Panel {
  readonly title: string;
  /** What a healthy sink shows, and what to do otherwise. */
  readonly description: string;
  readonly kind: 'stat' | 'timeseries';
  /** A unit of Grafana. */
  readonly unit: 'short' | 's' | 'bytes' | 'Bps' | 'percentunit' | 'reqps' | 'ops' | 'bool';
  /** The lines: PromQL by legend. Curly braces in a legend name labels. */
  readonly lines: Readonly<Record<string, string>>;
  /** Where a stat turns yellow, and red. */
  readonly thresholds?: readonly [number, number];
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** The targets that the variables of the dashboard choose. */
const ON = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"';
/** Where the fault is the sink's own, and not the producer's. */
const OWN_REASONS = 'backlog_full|redis_away|in_doubt|in_flight_full|overloaded|internal';

const of = (name: string, more = ''): string => `${name}{${more === '' ? '' : `${more},`}${ON}}`;
const rate = (name: string, more = ''): string => `rate(${of(name, more)}[$__rate_interval])`;
const sum = (expr: string, ...by: string[]): string =>
  `sum${by.length === 0 ? '' : ` by (${by.join(', ')})`} (${expr})`;
const max = (expr: string, ...by: string[]): string =>
  `max${by.length === 0 ? '' : ` by (${by.join(', ')})`} (${expr})`;
const quantiles = (name: string): Record<string, string> =>
  Object.fromEntries(
    [0.5, 0.95, 0.99].map((q) => [`p${q * 100}`, `histogram_quantile(${q}, ${sum(rate(`${name}_bucket`), 'le')})`]),
  );

const well: Row = {
  title: 'Is it well?',
  panels: [
    {
      title: 'Ready',
      description: '/readyz of each process. Where it is 0, /readyz names the problem.',
      kind: 'stat',
      unit: 'bool',
      lines: { '{{job}} {{instance}}': of('sink_ready') },
    },
    {
      title: 'Events accepted',
      description: 'Events a second that were answered with 2xx, and so are durable.',
      kind: 'stat',
      unit: 'ops',
      lines: { accepted: sum(rate('sink_ingest_events_accepted_total')) },
    },
    {
      title: 'Requests refused by the sink',
      description: 'Requests a second that got 503 or 500. 0 is right; the reasons are in the row below.',
      kind: 'stat',
      unit: 'reqps',
      lines: { refused: sum(rate('sink_ingest_requests_refused_total', `reason=~"${OWN_REASONS}"`)) },
      thresholds: [0.001, 1],
    },
    {
      title: 'Oldest event not sealed',
      description: 'At most scheduled_interval, and a few seconds. Above three times that, no batcher makes progress.',
      kind: 'stat',
      unit: 's',
      lines: { age: max(of('sink_oldest_unsealed_age_seconds')) },
    },
    {
      title: 'Oldest segment not stored',
      description: 'Some seconds. Above ten minutes, uploads do not succeed.',
      kind: 'stat',
      unit: 's',
      lines: { age: max(of('sink_oldest_sealed_age_seconds')) },
      thresholds: [60, 600],
    },
    {
      title: 'Uploads that need an operator',
      description: '0 is right. `uploads list` names each with its reason.',
      kind: 'stat',
      unit: 'short',
      lines: { parked: max(of('sink_uploads_parked')) },
      thresholds: [1, 1],
    },
    {
      title: 'Backlog, part of its limit',
      description: 'At 100 % ingest answers 503.',
      kind: 'stat',
      unit: 'percentunit',
      lines: { backlog: max(`${of('sink_backlog_bytes')} / ${of('sink_backlog_max_bytes')}`) },
      thresholds: [0.5, 0.7],
    },
    {
      title: 'Alerts',
      description: 'Alerts of deploy/prometheus/rules.yaml that are pending or firing; docs/runbook.md has each.',
      kind: 'timeseries',
      unit: 'short',
      // Alerts of rules have the labels of their series, but one over several targets has none of them.
      lines: { '{{alertname}} {{alertstate}}': 'count by (alertname, alertstate) (ALERTS{alertname=~"Sink.*"})' },
    },
  ],
};

const ingest: Row = {
  title: 'Ingest',
  panels: [
    {
      title: 'Events',
      description: 'Accepted events; of these, duplicates that dedupe_window recognized, and data kept as bytes.',
      kind: 'timeseries',
      unit: 'ops',
      lines: {
        'accepted {{instance}}': sum(rate('sink_ingest_events_accepted_total'), 'instance'),
        duplicates: sum(rate('sink_ingest_events_duplicate_total')),
        opaque: sum(rate('sink_ingest_events_opaque_total')),
      },
    },
    {
      title: 'Requests by status',
      description: '202: durable; 4xx: the request is wrong; 503: Redis is away or full, or ingest is overloaded.',
      kind: 'timeseries',
      unit: 'reqps',
      lines: { '{{status}}': sum(rate('sink_ingest_requests_total'), 'status') },
    },
    {
      title: 'Refusals by reason',
      description: 'Only reasons that occurred. docs/sending.md says what each answer means.',
      kind: 'timeseries',
      unit: 'reqps',
      lines: { '{{reason}}': `${sum(rate('sink_ingest_requests_refused_total'), 'reason')} > 0` },
    },
    {
      title: 'Quarantined, by reason',
      description:
        'Refused events a second that are kept below quarantine_prefix, and requests that exceed a limit of the quarantine. 0 is right: producers do not see it.',
      kind: 'timeseries',
      unit: 'ops',
      lines: {
        '{{reason}}': sum(rate('sink_ingest_events_quarantined_total'), 'reason'),
        'above {{limit}}': sum(rate('sink_ingest_quarantine_limited_total'), 'limit'),
      },
    },
    {
      title: 'Events by producer',
      description: 'Only with `producers`: events a second that were answered with 2xx.',
      kind: 'timeseries',
      unit: 'ops',
      lines: { '{{producer}}': sum(rate('sink_ingest_producer_events_accepted_total'), 'producer') },
    },
    {
      title: 'Refusals by producer',
      description: 'Only with `producers`, and reasons that occurred. `_unknown`: no or wrong credentials.',
      kind: 'timeseries',
      unit: 'reqps',
      lines: {
        '{{producer}} {{reason}}': `${sum(rate('sink_ingest_producer_requests_refused_total'), 'producer, reason')} > 0`,
      },
    },
    {
      title: 'Time to the 2xx',
      description: 'From the header of a request to its 2xx: mostly the fsync of Redis, and waiting for room.',
      kind: 'timeseries',
      unit: 's',
      lines: quantiles('sink_ingest_ack_seconds'),
    },
    {
      title: 'Limits of producers, part used',
      description:
        'What the producer asks for, as a part of its limit. At 100 % and refused: it gets 429 for the rest.',
      kind: 'timeseries',
      unit: 'percentunit',
      lines: {
        'demand {{producer}} {{limit}}': `${sum(of('sink_ingest_producer_limit_demand'), 'producer', 'limit')} / ${max(of('sink_ingest_producer_limit'), 'producer', 'limit')}`,
        'shares {{producer}} {{limit}}': `${sum(of('sink_ingest_producer_limit_share'), 'producer', 'limit')} / ${max(of('sink_ingest_producer_limit'), 'producer', 'limit')}`,
      },
    },
    {
      title: 'Bodies in flight',
      description: 'Bytes that ingest is reading or that wait for Redis; max_in_flight_bytes limits them.',
      kind: 'timeseries',
      unit: 'bytes',
      lines: { '{{instance}}': of('sink_ingest_in_flight_bytes') },
    },
    {
      title: 'Requests that wait for room',
      description: '0 is right. Otherwise raise max_in_flight_bytes, or scale ingest.',
      kind: 'timeseries',
      unit: 'short',
      lines: { '{{instance}}': of('sink_ingest_waiting_requests') },
    },
    {
      title: 'How late ingest is',
      description: 'The event loop held up, and how long new connections waited. Above a second: more CPU.',
      kind: 'timeseries',
      unit: 's',
      lines: {
        'loop {{instance}}': of('sink_ingest_loop_lag_seconds'),
        'connections p99': `histogram_quantile(0.99, ${sum(rate('sink_ingest_connection_age_seconds_bucket'), 'le')})`,
      },
    },
    {
      title: 'CPU and connections dropped',
      description: 'CPU of each process (1: a whole core); connections closed for want of file descriptors.',
      kind: 'timeseries',
      unit: 'short',
      lines: {
        'CPU {{job}} {{instance}}': `${rate('process_cpu_seconds_total')} and on (job, instance) sink_ready`,
        dropped: sum(rate('sink_ingest_connections_dropped_total')),
      },
    },
  ],
};

const pipeline: Row = {
  title: 'Pipeline: accepted → sealed → stored',
  panels: [
    {
      title: 'Events a second',
      description: 'The three follow each other. Where they part, events gather in front of the lower one.',
      kind: 'timeseries',
      unit: 'ops',
      lines: {
        accepted: `${sum(rate('sink_ingest_events_accepted_total'))} - ${sum(rate('sink_ingest_events_duplicate_total'))}`,
        sealed: sum(rate('sink_segment_events_sealed_total')),
        stored: sum(rate('sink_uploaded_events_total')),
      },
    },
    {
      title: 'Ages',
      description: 'Of the oldest event that is not sealed, and since the oldest sealed segment that is not stored.',
      kind: 'timeseries',
      unit: 's',
      lines: {
        'not sealed, lane {{lane}}': max(of('sink_oldest_unsealed_age_seconds'), 'lane'),
        'not stored, lane {{lane}}': max(of('sink_oldest_sealed_age_seconds'), 'lane'),
        'alert: 3 × scheduled_interval': `3 * ${max(of('sink_scheduled_interval_seconds'))}`,
      },
    },
    {
      title: 'From the 2xx to S3',
      description: 'By the oldest event of each object: about scheduled_interval plus the upload.',
      kind: 'timeseries',
      unit: 's',
      lines: quantiles('sink_accepted_to_stored_seconds'),
    },
    {
      title: 'What waits',
      description:
        'Segments sealed and not stored, in Redis and in spool files; objects that batchers are filling, and how many of them have files.',
      kind: 'timeseries',
      unit: 'short',
      lines: {
        'sealed, lane {{lane}}': max(of('sink_segments_sealed_waiting'), 'lane'),
        'spilled, lane {{lane}}': max(of('sink_segments_spilled_waiting'), 'lane'),
        'without an uploader': max(of('sink_segments_spilled_unattended')),
        'open paths': sum(of('sink_open_paths')),
        'open files': sum(of('sink_open_files')),
      },
    },
    {
      title: 'Backlog',
      description: 'Bytes of accepted events in Redis and in spool files only. At the limit ingest answers 503.',
      kind: 'timeseries',
      unit: 'bytes',
      lines: {
        'in Redis, lane {{lane}}': max(of('sink_backlog_bytes'), 'lane'),
        'spilled, lane {{lane}}': max(of('sink_spilled_bytes'), 'lane'),
        'limit, lane {{lane}}': max(of('sink_backlog_max_bytes'), 'lane'),
      },
    },
    {
      title: 'Events in the backlog',
      description: 'Events that were accepted and are not in S3 yet.',
      kind: 'timeseries',
      unit: 'short',
      lines: {
        'in Redis, lane {{lane}}': max(of('sink_backlog_events'), 'lane'),
        'spilled, lane {{lane}}': max(of('sink_spilled_events'), 'lane'),
      },
    },
    {
      title: 'Disk of data_dir',
      description: 'Below the reserve batchers write no files.',
      kind: 'timeseries',
      unit: 'bytes',
      lines: {
        'free {{instance}}': of('sink_disk_free_bytes'),
        'reserve {{instance}}': of('sink_disk_reserve_bytes'),
        'spool {{instance}}': of('sink_spool_bytes'),
      },
    },
    {
      title: 'Segments, takeovers, recoveries',
      description: 'Segments sealed and spilled; chunks taken over from batchers that stopped; work done again.',
      kind: 'timeseries',
      unit: 'ops',
      lines: {
        sealed: sum(rate('sink_segments_sealed_total')),
        spilled: sum(rate('sink_segments_spilled_total')),
        'chunks taken over': sum(rate('sink_batcher_chunks_claimed_total')),
        recoveries: sum(rate('sink_batcher_recoveries_total')),
      },
    },
  ],
};

const stores: Row = {
  title: 'S3 and Redis',
  panels: [
    {
      title: 'Uploads by result',
      description: 'Attempts a second. `failed` is retried; `existed`: an earlier attempt had stored the object.',
      kind: 'timeseries',
      unit: 'ops',
      lines: { '{{result}}': sum(rate('sink_uploads_total'), 'result') },
    },
    {
      title: 'Failed uploads by kind',
      description: "The uploader's log has the reason and the remedy.",
      kind: 'timeseries',
      unit: 'ops',
      lines: { '{{kind}}': `${sum(rate('sink_upload_retries_total'), 'kind')} > 0` },
    },
    {
      title: 'Time of an upload',
      description: 'One attempt, from reading the record to the commit.',
      kind: 'timeseries',
      unit: 's',
      lines: quantiles('sink_upload_seconds'),
    },
    {
      title: 'Bytes to S3',
      description: 'Bytes a second of committed objects, after compression.',
      kind: 'timeseries',
      unit: 'Bps',
      lines: { '{{instance}}': sum(rate('sink_uploaded_bytes_total'), 'instance') },
    },
    {
      title: 'Upload jobs',
      description: 'By state, as any uploader sees them. `delayed` wait for their next attempt.',
      kind: 'timeseries',
      unit: 'short',
      lines: { '{{state}}': max(of('sink_upload_jobs'), 'state') },
    },
    {
      title: 'Manifests',
      description: 'Attempts a second by result. Only with manifests: objects that no manifest lists yet.',
      kind: 'timeseries',
      unit: 'short',
      lines: {
        '{{result}}': sum(rate('sink_manifests_total'), 'result'),
        'not listed, lane {{lane}}': max(of('sink_objects_unlisted'), 'lane'),
      },
    },
    {
      title: 'Memory of Redis',
      description: 'At maxmemory Redis refuses every write. The backlog has its own limit below it.',
      kind: 'timeseries',
      unit: 'bytes',
      lines: {
        used: max(of('sink_redis_memory_used_bytes')),
        maxmemory: max(of('sink_redis_memory_max_bytes')),
      },
    },
    {
      title: 'Redis: fingerprints and replicas',
      description:
        'Fingerprints of dedupe_window, and how often some were discarded early; replicas in sync (-1: none).',
      kind: 'timeseries',
      unit: 'short',
      lines: {
        'fingerprints, lane {{lane}}': max(of('sink_dedupe_fingerprints'), 'lane'),
        'forgotten early, lane {{lane}}': max(of('sink_dedupe_forgotten_early'), 'lane'),
        'replicas in sync': `min (${of('sink_redis_replicas_in_sync')})`,
        'failover: {{topology}}, {{failover}}': max(of('sink_redis_failover_info'), 'topology', 'failover'),
      },
    },
  ],
};

export const ROWS: readonly Row[] = [well, ingest, pipeline, stores];
