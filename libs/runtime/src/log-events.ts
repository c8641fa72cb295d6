/**
 * The events that the sink logs: a code for each text. `…` is a part that varies; a text in braces varies as a whole, and
 * is the expression that makes it. docs/logs.md describes them; a test compares them with what the sources log.
 */
export const LOG_EVENTS = {
  // Start and stop
  config_file: '{describeConfigFile(config.configFile)}',
  config_warning: 'configuration: …',
  config_changed: 'live keys of the configuration have changed',
  config_unchanged: 'no live key of the configuration has changed',
  config_pending_restart: 'changed keys of the configuration wait for a restart',
  config_rejected: 'the configuration file is refused; the configuration in force stays',
  config_not_confirmed: 'processes have not confirmed the configuration yet',
  config_not_taken: 'the configuration that came is not valid in this process',
  config_reload_failed: 'reading the configuration again failed',
  config_no_reload_command: '`sink reload` does not work; SIGHUP and a changed file do',
  started: 'started',
  start_failed: '… failed',
  start_ended: 'a signal ended the start',
  stopping: 'stopping',
  parent_ended: 'the parent process has ended: stopping',
  stop_part_late: 'stopping: a part did not stop in time; the stop continues without it',
  stop_part_failed: 'stopping: a part failed to stop; the stop continues',
  stopped: 'stopped',
  broken_invariant: 'a broken invariant ends this process',
  process_exited: 'a process exited and is restarted',
  process_killed: 'a process did not stop in time and is killed',
  ops_request_failed: 'answering a request on the operations port failed',
  metrics_failed: 'collecting metrics failed',
  failing: '… fails',
  working: '… works again',
  // The whole sink
  sink_not_ready: 'not ready yet',
  sink_ready: 'ready: post CloudEvents to …, objects appear in …',
  sink_taking: '{takingText(news)}',
  sink_stop_asked: 'asked to stop',
  sink_stopping: 'stopping: ingest first, then batcher, uploader and Redis',
  sink_stopped_at_once: 'stopped at once: accepted events stay in Redis and …',
  sink_stopped: 'stopped…',
  redis_transient: 'accepted events are in Redis only, until they are uploaded: …',
  redis_loading: 'Redis is still loading its append-only file',
  redis_says: 'Redis: …',
  redis_orphan: 'stopping a Redis of an earlier sink that still runs on this data directory',
  takeover_late: 'the work of the batchers that were killed is taken over when their leases end',
  lock_held: '… has the lock of data_dir: …',
  lock_silent: 'the lock of data_dir gets no heartbeat',
  lock_lost: 'another sink has taken the lock of data_dir while this one was silent',
  disk_defaults_lowered: '{lowered}',
  disk_look_failed: 'looking at the disk of Redis',
  disk_no_rewrite: "the volume has no room to rewrite Redis' file: free some space",
  disk_rewrite_again: "the volume has room to rewrite Redis' file again",
  // Redis
  redis_waiting: 'waiting for redis',
  redis_fit: 'redis is fit',
  redis_warning: 'redis',
  redis_operator: 'the connection to Redis needs an operator; it is tried again every second',
  redis_works: 'redis connection works again',
  redis_connection: 'redis connection',
  redis_files_failing: 'reading the files of the Redis settings again fails; the last ones stay in use',
  redis_files_working: 'the files of the Redis settings can be read again',
  replicas_lost: 'replicas are not in sync any more; writes go on without them',
  replica_promoted: 'a replica became the master; connecting again through the Sentinels',
  master_changed: 'the Sentinels name another master',
  sentinels_away: 'no Sentinel answers SENTINEL MASTER and SENTINEL REPLICAS, so no write counts until one does',
  sentinel_connection: 'sentinel connection',
  // Ingest
  ingest_taking: 'taking events',
  ingest_workers: 'workers are starting',
  tls_replaced: 'the files of TLS have changed, and are in use',
  tls_rejected: 'changed files of TLS are refused; the certificate in use stays',
  tls_doubt: 'not every client may accept the certificate of the port',
  ingest_one_worker: 'ingest.workers: this system does not spread connections, one process takes all',
  ingest_no_descriptors: 'no file descriptor is left for another connection: raise the limit of open files (ulimit -n)',
  ingest_request_failed: 'handling a request failed',
  ingest_decoding_failed: 'decoding a message failed',
  ingest_open: 'there are no producers…: whoever reaches the port can send events',
  ingest_producer_trouble: 'a credential of a producer has a problem',
  ingest_producer_works: 'the credential of a producer works again',
  ingest_quarantined: 'refused events are kept in quarantine',
  ingest_quarantine_limited: 'a limit of the quarantine is exceeded: requests get a 4xx, and nothing of them is kept',
  ingest_storing_fails: 'storing a chunk fails; it is retried',
  ingest_validation_failed: 'starting validation failed',
  schemas_directories_failing: 'reading a directory of schemas fails',
  schemas_directories_working: 'the directories of schemas can be read again',
  ingest_limits_apart: 'the limits of producers are not shared; each process keeps its last share',
  ingest_limits_shared: 'the limits of producers are shared again',
  // Batcher
  batcher_runs: 'batcher instance runs',
  batcher_lease_lost: 'lease lost; starting again under a new name',
  batcher_no_room: 'no room for segment files',
  batcher_room: 'there is room for segment files again',
  batcher_foreign: 'an entry of the stream is not a chunk of this release; it is left untouched',
  batcher_unknown_route: 'chunks wait for a route that this batcher does not know; they are left untouched',
  batcher_took_over: 'took over chunks of a batcher that died',
  batcher_restored: 'restored chunks that were in no pending list',
  batcher_adopted: 'spilled files whose records Redis had lost are uploaded after all',
  batcher_quarantined:
    'damaged spool files without a record in Redis were set aside: see "A quarantined file" in docs/operations.md',
  batcher_housekeeping: 'housekeeping fails; it is tried again',
  other_sinks: '{other}',
  // Uploader
  bucket_warning: '{warning}',
  bucket_trial_failed: '…; the uploader tries again',
  upload_failed: '…; the uploader retries it',
  uploads_succeed: 'uploads succeed again',
  uploads_held: 'the store fails or throttles: uploads are on hold',
  uploads_hold_failed: 'holding uploads failed; each job backs off by itself',
  uploads_promote_failed: 'promoting delayed uploads failed; each is retried when its own wait ends',
  object_stored: 'object stored',
  spool_file_unusable: 'spool file not usable',
  spool_unattended:
    'spilled segments wait for an uploader on the disk that holds them: start one with that data_dir (spool/spool-id in it has the id)',
  rebuilt_tidying_failed: 'tidying rebuilt segments failed; the uploader retries it later',
  sweep_failing: 'sweeping fails; the uploader retries it every second',
  sweep_working: 'sweeping works again',
  sweep_restored: 'the sweep restored upload jobs of sealed segments',
  uploads_aborted: 'abandoned uploads in parts aborted',
  uploads_aborting_failed: 'aborting abandoned uploads in parts failed; the uploader retries it later',
  manifest_stored: 'manifest stored',
  manifests_failing: 'writing manifests fails; the uploader retries it',
  manifests_working: 'writing manifests works again',
  drain_left: 'stopping before all segments are uploaded: the rest stays in Redis',
  // The queue of uploads
  queueing_failing: 'queueing uploads fails',
  queueing_working: 'queueing uploads works again',
  queue_failing: 'upload queue fails',
  queue_refused: 'Redis refuses to give upload jobs; the uploader asks again every second',
  queue_foreign_key: 'foreign key removed',
  queue_foreign_job: 'foreign upload job',
  // Traces
  tracing_config: 'OpenTelemetry: …',
  tracing_on: 'traces are exported',
  tracing_failing: 'exporting traces fails: their spans are dropped',
  tracing_working: 'exporting traces works again',
  tracing_problem: 'OpenTelemetry has a problem',
} as const satisfies Readonly<Record<string, string>>;

export type LogCode = keyof typeof LOG_EVENTS;

/** How texts begin that vary as a whole. */
const VARYING: readonly (readonly [LogCode, RegExp])[] = [
  ['config_file', /^(the configuration file is|no configuration file was read)/],
  ['sink_taking', /^not everything works yet: events are taken/],
  ['other_sinks', /^\d+ events of the sink /],
  ['disk_defaults_lowered', /^the volume of data_dir is small: /],
  ['bucket_warning', /^the store does not /],
];

/** Texts of which a part varies; the more specific ones, which are longer, first. */
const PATTERNS = Object.entries(LOG_EVENTS)
  .filter(([, text]) => text.includes('…'))
  .sort(([, a], [, b]) => b.length - a.length)
  .map(([code, text]) => ({ code, pattern: new RegExp(`^${text.split('…').map(RegExp.escape).join('.*')}$`, 's') }));
const CODES = new Map<string, string>(Object.entries(LOG_EVENTS).map(([code, text]) => [text, code]));

/** The code of a text; null for one that is not known. */
export function codeOf(text: string): string | null {
  const varying = (): string | undefined => VARYING.find(([, begin]) => begin.test(text))?.[0];
  return CODES.get(text) ?? varying() ?? PATTERNS.find(({ pattern }) => pattern.test(text))?.code ?? null;
}
