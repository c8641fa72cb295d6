import type { Alert } from './alert.ts';

/** Answered with 429. */
const LIMITS = 'events_per_second|bytes_per_second|requests_in_flight|producer_in_flight_bytes';
/** Refusals that have an alert of their own, or are no fault of anything that runs here. */
const NOT_THE_PRODUCER = `${LIMITS}|backlog_full|redis_away|in_doubt|in_flight_full|overloaded|internal|too_slow|disconnected|stopping|keys_away`;
/** Credentials that are missing, wrong or not enough. */
const CREDENTIALS = 'credentials|credentials_twice|signature|forbidden|not_allowed';

/** Requests refused per second over five minutes, for these reasons. */
function refused(reasons: string, operator = '=~'): string {
  return `sum without (reason) (rate(sink_ingest_requests_refused_total{reason${operator}"${reasons}"}[5m])) > 0`;
}

const INTAKE = [
  {
    name: 'SinkRefusesEvents',
    expr: refused('backlog_full|redis_away|in_doubt'),
    for: '1m',
    severity: 'critical',
    summary: 'ingest answers 503, because Redis is away or full',
    means:
      'Events are not accepted. Producers that retry send them again later; others lose them, or move them to dead letters.',
    lookAt:
      '`reason` of `sink_ingest_requests_refused_total`: `redis_away` and `in_doubt` (Redis does not answer), or `backlog_full` (there is no room). `/readyz` of ingest says which.',
    remedy:
      'With `redis_away`: bring Redis back. With `backlog_full`: find out why the backlog does not drain, as for [SinkBacklogHigh](#sinkbackloghigh).',
  },
  {
    name: 'SinkInternalErrors',
    expr: refused('internal', '='),
    for: '0m',
    severity: 'critical',
    summary: 'ingest answered 500',
    means: 'A bug. Nothing was accepted with that answer.',
    lookAt: "`handling a request failed` in ingest's log, with the stack.",
    remedy: 'Report it with that line. Producers that retry may succeed.',
  },
  {
    name: 'SinkInFlightFull',
    expr: refused('in_flight_full', '='),
    for: '5m',
    severity: 'warning',
    summary: 'more arrives at once than max_in_flight_bytes allows',
    means: 'Requests wait up to `hold_max` for room, and are then refused with 503.',
    lookAt:
      '`sink_ingest_in_flight_bytes` and `sink_ingest_waiting_requests`; large bodies, slow producers, or a slow Redis.',
    remedy: 'Raise `max_in_flight_bytes`, or scale ingest.',
  },
  {
    name: 'SinkQuarantine',
    expr: 'sum without (reason) (rate(sink_ingest_events_quarantined_total[5m])) > 0 or sum without (limit) (rate(sink_ingest_quarantine_limited_total[5m])) > 0',
    for: '1m',
    severity: 'warning',
    summary: 'ingest refuses events and keeps them in quarantine',
    means:
      'Their producers got 202, so nobody else notices. The events are below `quarantine_prefix`, and not among the others.',
    lookAt:
      '`reason` of `sink_ingest_events_quarantined_total`, and `sink quarantine list`. If `sink_ingest_quarantine_limited_total` rises, more is refused than the limits allow: those requests get a 4xx and are not kept.',
    remedy:
      'Have the producer corrected. Then store the events with `sink quarantine retry` ([Quarantine](quarantine.md)).',
  },
  {
    name: 'SinkOverloaded',
    expr: refused('overloaded', '='),
    for: '5m',
    severity: 'warning',
    summary: 'ingest gets too little CPU time to answer within hold_max',
    means: 'Requests are refused with 503 at once, because their answer would come too late.',
    lookAt:
      '`sink_ingest_loop_lag_seconds` and `sink_ingest_connection_age_seconds`, which say how late ingest is; the CPU limit of its container.',
    remedy: 'Give ingest more CPU, or scale it.',
  },
  {
    name: 'SinkProducerLimited',
    expr: `sum without (reason) (rate(sink_ingest_producer_requests_refused_total{reason=~"${LIMITS}"}[5m])) > 0`,
    for: '15m',
    severity: 'info',
    summary: 'a producer wants to send more than its limits allow',
    means: 'Requests of the producer are answered with 429. It keeps what it cannot send, or loses it, as it is made.',
    lookAt:
      '`sink_ingest_producer_limit_demand` and `sink_ingest_producer_limit`; `reason` of `sink_ingest_producer_requests_refused_total`.',
    remedy: 'Raise its `limits`, or have it send less ([Limits](security.md#limits)).',
  },
  {
    name: 'SinkConnectionsDropped',
    expr: 'rate(sink_ingest_connections_dropped_total[5m]) > 0',
    for: '1m',
    severity: 'warning',
    summary: 'ingest has no file descriptors left',
    means: 'Ingest closes further connections without an answer.',
    lookAt: '`process_open_fds` and `process_max_fds` of ingest; the number of idle connections of its producers.',
    remedy: 'Raise the limit of open files: [Behind a load balancer](operations.md#behind-a-load-balancer).',
  },
  {
    name: 'SinkCertificateExpires',
    // Of a certificate that is valid for a few days only, a quarter is left.
    expr: 'sink_ingest_certificate_days_left < 7 and sink_ingest_certificate_days_left < 0.25 * sink_ingest_certificate_days',
    for: '10m',
    severity: 'critical',
    summary: 'the certificate of the port expires soon, or has expired',
    means: 'When it has expired, clients refuse the port, and `/readyz` of ingest is 503.',
    lookAt:
      '`sink_ingest_certificate_days_left`; whatever renews the certificate: cert-manager (`kubectl describe certificate`), or the cron job that does.',
    remedy:
      'Renew the certificate and replace `tls.cert_file` and `tls.key_file`: they are in use within 5 s, without a restart.',
  },
  {
    name: 'SinkCertificateRejected',
    expr: 'sink_ingest_certificate_rejected > 0',
    for: '1m',
    severity: 'warning',
    summary: 'the files of TLS have changed to something that the port cannot use',
    means: 'The port goes on with the certificate that it had, until that expires.',
    lookAt:
      "`tls_files` in `/readyz` of ingest's operations port, or its log: the file, what is wrong, and the remedy.",
    remedy: 'Mend that file: [TLS](security.md#tls).',
  },
  {
    name: 'SinkKeysNotFetched',
    expr: 'sink_ingest_key_age_seconds > 600',
    for: '0m',
    severity: 'warning',
    summary: 'the keys of a token issuer have not been fetched for ten minutes',
    means:
      'Keys that were fetched before stay in force. Tokens that need another one get 503, and so do all tokens of an issuer whose keys never could be fetched. A key that the issuer has withdrawn is still accepted.',
    lookAt:
      "`producers` in `/readyz` of ingest's operations port, which names the address and what is wrong with its answer.",
    remedy:
      'Let ingest reach the issuer: network policy, `HTTPS_PROXY` and `NO_PROXY`, `jwks_ca_file`, `jwks_token_file`. Or correct `jwks_url`.',
  },
  {
    name: 'SinkSchemasAway',
    expr: 'sum without (result) (rate(sink_ingest_validated_events_total{result="away"}[5m])) > 0',
    for: '2m',
    severity: 'warning',
    summary: 'schemas of events cannot be fetched',
    means:
      'With `on_registry_away: refuse`, which is the default of `validate: strict`, these events get 503. Else they are accepted without being validated.',
    lookAt:
      '`result` of `sink_ingest_schema_fetches_total`: `away` (a registry or a host does not answer, or refuses its credentials). Without such, `late` of `sink_ingest_schema_jobs_total`: ingest has too little CPU time. In the 503 is why.',
    remedy: 'Bring the registry back, or renew its `bearer_file`: [Validation](validation.md).',
  },
  {
    name: 'SinkCredentialsRefused',
    // Scanners of the internet come now and then. This goes on.
    expr: `sum without (reason) (rate(sink_ingest_requests_refused_total{reason=~"${CREDENTIALS}"}[10m])) > 0`,
    for: '15m',
    severity: 'warning',
    summary: 'requests are refused for their credentials, and this goes on',
    means:
      'Somebody sends with no or wrong credentials (401), or a producer sends what it may not (403). Most brokers give an event up after such an answer.',
    lookAt:
      '`producer` and `reason` of `sink_ingest_producer_requests_refused_total`: `_unknown` matches no producer. If a producer that was let in before has stopped, its secret was replaced on one side only.',
    remedy:
      'Give the producer its credentials, or keep strangers away from the port: [Producers](security.md#producers). Replay the dead letters of the broker.',
  },
  {
    name: 'SinkProducerTrouble',
    expr: 'sink_ingest_producer_trouble > 0',
    for: '5m',
    severity: 'warning',
    summary: 'the credential of a producer has a problem',
    means:
      'A file with its secrets is empty, which lets nobody in, or cannot be read any more: then what it contained stays in force. Or its keys cannot be fetched.',
    lookAt: '`producers` in `/readyz` of ingest, or its log: the producer, the file, and what is wrong.',
    remedy: 'Mend the file: it is read again within 10 s.',
  },
  {
    name: 'SinkProducerMistakes',
    expr: refused(`${NOT_THE_PRODUCER}|${CREDENTIALS}`, '!~'),
    for: '10m',
    severity: 'info',
    summary: 'producers send what is not a CloudEvent, is too large, or is encoded in an unknown way',
    means: 'These requests are answered with 4xx, and sending the same again cannot succeed.',
    lookAt:
      "`reason` of `sink_ingest_requests_refused_total`; the producer's log or dead letters, which have the line that says what is wrong: [answers](sending.md#answers).",
    remedy: 'Correct the producer.',
  },
] as const satisfies readonly Alert[];

const PIPELINE = [
  {
    name: 'SinkNotSealing',
    expr: 'sink_oldest_unsealed_age_seconds > ignoring (lane) group_left () 3 * sink_scheduled_interval_seconds',
    for: '1m',
    severity: 'critical',
    summary: 'the oldest accepted event waits for more than 3 × scheduled_interval to be sealed',
    means: 'No batcher makes progress. Events gather in Redis, and are refused when it is full.',
    lookAt: "The batcher's `/readyz` and log: a full spool disk, Redis unavailable, no batcher at all.",
    remedy: 'Remove the cause that they name, or scale the batcher if it works at its limit.',
  },
  {
    name: 'SinkNotStoring',
    expr: 'sink_oldest_sealed_age_seconds > 600',
    for: '1m',
    severity: 'warning',
    summary: 'the oldest sealed segment has waited for ten minutes to be stored',
    means:
      'Uploads do not succeed, or not fast enough. Events gather in Redis, then on the disk, and are refused when both are full.',
    lookAt:
      "The uploader's `/readyz` and log, which name the remedy (credentials, bucket, throttling); `sink_upload_retries_total` by `kind`.",
    remedy:
      'Remove the cause; uploads are retried automatically. If none fails, raise `upload_concurrency` or scale the uploader.',
  },
  {
    name: 'SinkUploadsParked',
    expr: 'sink_uploads_parked > 0',
    for: '1m',
    severity: 'critical',
    summary: 'uploads need an operator',
    means: 'These segments are not stored until a person removes the cause. They are kept meanwhile.',
    lookAt: '`uploads list`, which names each with its reason.',
    remedy: '[Stuck uploads](failures.md#stuck-uploads).',
  },
  {
    name: 'SinkSlowToStore',
    expr: 'histogram_quantile(0.99, rate(sink_accepted_to_stored_seconds_bucket[10m])) > 3 * sink_scheduled_interval_seconds + 60',
    for: '10m',
    severity: 'warning',
    summary: 'from the 2xx to S3 it takes more than 3 × scheduled_interval and a minute',
    means: 'Objects come late. Nothing is lost.',
    lookAt:
      '`sink_oldest_unsealed_age_seconds` (the batcher is slow) and `sink_oldest_sealed_age_seconds` (the uploader is slow); `sink_upload_seconds`.',
    remedy:
      'Scale what is slow. After an outage it is the backlog that drains, and the alert ends by itself. About `scheduled_interval` plus the upload is usual.',
  },
  {
    name: 'SinkManifestsFail',
    expr: 'rate(sink_manifests_total{result="failed"}[15m]) > 0',
    for: '20m',
    severity: 'warning',
    summary: 'manifests are not written',
    means: 'Folders are complete, but readers that wait for their manifest do not see it.',
    lookAt: "`writing manifests fails` in the uploader's log.",
    remedy: 'Remove the cause that it names; manifests are retried automatically.',
  },
] as const satisfies readonly Alert[];

const ROOM = [
  {
    name: 'SinkBacklogHigh',
    expr: 'sink_backlog_bytes > 0.7 * sink_backlog_max_bytes',
    for: '1m',
    severity: 'critical',
    summary: 'the backlog in Redis is above 70 % of its limit',
    means: 'At 100 % ingest answers 503.',
    lookAt:
      '`sink_oldest_unsealed_age_seconds` (no batcher makes progress), `sink_segments_sealed_waiting` (uploads do not succeed), and whether anything is spilled (`sink_spilled_bytes`).',
    remedy:
      'Bring S3 or the batchers back; the backlog then drains by itself. More room: `maxmemory` of Redis and `max_backlog_bytes`, or `spill_at`.',
  },
  {
    name: 'SinkSpilling',
    expr: 'sink_spilled_bytes > 0',
    for: '5m',
    severity: 'warning',
    summary: 'events are stored in spool files only',
    means: 'S3 has been unavailable or slow for long. The disk of `data_dir` has the only copies of these events.',
    lookAt: "The uploader's `/readyz` and log; `sink_disk_free_bytes`.",
    remedy: 'As for [SinkNotStoring](#sinknotstoring); see [A long outage of S3](failures.md#a-long-outage-of-s3).',
  },
  {
    name: 'SinkSpilledUnattended',
    expr: 'sink_segments_spilled_unattended > 0',
    for: '5m',
    severity: 'critical',
    summary: 'spilled segments are on a disk without an uploader',
    means: 'These events are not stored until an uploader runs on that disk.',
    lookAt: "The uploaders' logs, which name the spool directory by its id (`spool/spool-id`).",
    remedy: 'Start an uploader with that `data_dir`. Never copy files out of a spool.',
  },
  {
    name: 'SinkFilesQuarantined',
    expr: 'sink_spool_files_quarantined_total > 0',
    for: '0m',
    severity: 'critical',
    summary: 'a damaged spool file without a record in Redis was set aside',
    means: 'Its events may be in no object.',
    lookAt: 'The `*.quarantined` files below `data_dir/spool`.',
    remedy: '[A quarantined file](failures.md#a-quarantined-file). The alert ends when the batcher is restarted.',
  },
  {
    name: 'SinkDiskLow',
    expr: 'sink_disk_free_bytes < 1.1 * sink_disk_reserve_bytes',
    for: '5m',
    severity: 'warning',
    summary: 'the disk of data_dir is nearly down to disk_reserve_bytes',
    means: 'Below the reserve the batcher writes no files: events stay in Redis, and are refused when it is full.',
    lookAt: '`sink_spool_bytes` (the spool itself, because uploads do not succeed), and other files on that disk.',
    remedy: 'Make room, or grow the volume: [A small or full disk](failures.md#a-small-or-full-disk).',
  },
  {
    name: 'SinkRedisMemoryHigh',
    expr: 'sink_redis_memory_used_bytes > 0.9 * (sink_redis_memory_max_bytes > 0)',
    for: '5m',
    severity: 'warning',
    summary: 'Redis uses more than 90 % of its maxmemory',
    means: 'The backlog has its own limit below that, so something else fills Redis. Full, it refuses every write.',
    lookAt: '`sink_backlog_bytes`, `sink_dedupe_fingerprints`; other keys in that Redis (`redis-cli --bigkeys`).',
    remedy: 'Raise `maxmemory`, or give the sink a Redis of its own.',
  },
  {
    name: 'SinkDedupeForgetsEarly',
    expr: 'delta(sink_dedupe_forgotten_early[1h]) > 0',
    for: '0m',
    severity: 'warning',
    summary: 'fingerprints are discarded before dedupe_window ends',
    means: 'A duplicate that comes late in the window may be stored a second time.',
    lookAt: '`sink_dedupe_fingerprints`, and how many events arrive within `dedupe_window`.',
    remedy: 'Raise `max_fingerprints` (96 bytes each in Redis), or shorten `dedupe_window`.',
  },
] as const satisfies readonly Alert[];

const PROCESSES = [
  {
    name: 'SinkDown',
    expr: 'up == 0 and on (job, instance) last_over_time(sink_ready[1h])',
    for: '2m',
    severity: 'critical',
    summary: 'a process of the sink does not answer /metrics',
    means: 'It has ended, hangs, or cannot be reached. Nothing that was acknowledged is lost.',
    lookAt: 'Whether it runs (`kubectl get pods`, `docker ps`), its exit code and the end of its log.',
    remedy:
      'Exit code 78 means that the configuration, or what it points to, is wrong, and the last lines say what. Otherwise start it again.',
  },
  {
    name: 'SinkNotReady',
    expr: 'sink_ready == 0',
    for: '5m',
    severity: 'warning',
    summary: 'a service cannot do its work',
    means: 'The service has a problem that lasts. Accepted events are kept.',
    lookAt: '`/readyz` on its operations port, which names the problem and often the remedy.',
    remedy: 'Remove the problem; the service continues by itself.',
  },
  {
    name: 'SinkReplicasOutOfSync',
    expr: 'sink_redis_replicas_in_sync == 0',
    for: '1m',
    severity: 'critical',
    summary: 'no replica of Redis has every acknowledged event',
    means: 'A failover now would lose events, or ingest refuses them until a replica follows again.',
    lookAt: "`INFO replication` of the master; ingest's log.",
    remedy: 'Bring the replicas back: [Replicas and failovers](redis.md#replicas-and-failovers).',
  },
  {
    name: 'SinkForeignEntries',
    expr: 'sink_batcher_foreign_entries_total > 0',
    for: '0m',
    severity: 'warning',
    summary: "an entry of the sink's stream is not a chunk of this release",
    means: 'Something else, or a newer release, wrote into the stream. The batcher leaves the entry untouched.',
    lookAt: "The batcher's log, which names the entry.",
    remedy:
      'Run the release that wrote it, or remove the entry if something else did. The alert ends when the batcher is restarted.',
  },
  {
    name: 'SinkConfigRejected',
    expr: 'sink_config_rejected == 1',
    for: '1m',
    severity: 'warning',
    summary: 'the configuration file has mistakes and is refused',
    means:
      'The sink works on with the configuration in force. At its next start it would refuse the file, and not start.',
    lookAt: '`warnings` of `/readyz`, which list the mistakes; or `sink reload`.',
    remedy: 'Correct the file: [Changing the configuration](operations.md#changing-the-configuration).',
  },
  {
    name: 'SinkConfigWaits',
    expr: 'sink_config_pending_restart == 1',
    for: '15m',
    severity: 'info',
    summary: 'a changed key of the configuration waits for a restart',
    means: 'The key has its earlier value until the process is restarted.',
    lookAt: 'The label `key`.',
    remedy: 'Restart the sink when it suits you, or take the change back.',
  },
] as const satisfies readonly Alert[];

/** All alerts, the most urgent question first: are events accepted, are they stored, is there room, does all run. */
export const ALERTS = [...INTAKE, ...PIPELINE, ...ROOM, ...PROCESSES] as const;

export type AlertName = (typeof ALERTS)[number]['name'];
