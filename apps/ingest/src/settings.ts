import { plainInterval, type SinkConfig } from '@sink/config';
import type { TimeInterval } from '@sink/domain';
import type { ServiceRedis } from '@sink/redis';
import type { AdmissionSettings } from './http/admission.ts';
import { openFilesMax } from './http/acceptors.ts';
import type { HttpSettings } from './http/server.ts';
import type { GroupCommitSettings } from './commit/group-commit.ts';
import type { ExchangeTimes } from './limits/exchange.ts';
import type { WriterSettings } from './commit/lane-writer.ts';
import type { TlsSettings } from './http/tls/certificate.ts';

/** What `composeIngest` needs. */
export interface CommitSettings extends AdmissionSettings, GroupCommitSettings, WriterSettings {
  readonly sinkName: string;
  readonly lanes: number;
  readonly writersPerLane: number;
  readonly timeInterval: TimeInterval;
  /** The durability that the configuration asks for, by name; `barrier` is what comes of it on this Redis. */
  readonly durability: SinkConfig['durability'];
}

/** All limits and periods of ingest. Times in milliseconds. */
export interface IngestSettings extends CommitSettings, HttpSettings, ExchangeTimes {
  /** How often ingest looks whether it can store anything. */
  readonly readinessEveryMs: number;
  /** How long an append may take until it is in doubt. */
  readonly appendTimeoutMs: number;
}

const APPEND_TIMEOUT_MS = 2_000;
/** Above this size, a body may make appends take longer. */
const LARGE_BODY_BYTES = 32 * 1024 * 1024;
const APPEND_MS_PER_MIB = 100;

/** A longer time limit also finds out later that Redis is away: so it is longer only where bodies may be very large. */
function appendTimeoutMs(maxBodyBytes: number): number {
  const largeMib = Math.max(0, maxBodyBytes - LARGE_BODY_BYTES) / (1024 * 1024);
  return APPEND_TIMEOUT_MS + Math.ceil(largeMib) * APPEND_MS_PER_MIB;
}

/** The settings that no configuration key changes. */
export const FIXED_SETTINGS = {
  /** Appends in flight per lane: one, and another for full chunks and behind a slow append (GroupCommit). */
  writersPerLane: 2,
  retryWaitMs: 100,
  /** An append takes milliseconds, and brokers wait longer than `hold_max`. */
  appendMsMin: 250,
  /** Reached under full load only: at half of it a turn of the loop soon brings nothing, and the chunk leaves. */
  gatherMsMax: 2,
  behindMsMax: 10,
  readinessEveryMs: 2_000,
  handshakeTimeoutMs: 10_000,
  reportEveryMs: 500,
  reportSoonMs: 50,
  reportTtlMs: 3_000,
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 60_000,
  checkIntervalMs: 2_000,
  drainMaxMs: 12_000,
} satisfies Partial<IngestSettings>;

/** Null: the port takes plain HTTP. */
export function tlsSettings({
  tlsCertFile,
  tlsKeyFile,
  tlsMinVersion,
  tlsClientCaFile,
}: SinkConfig): TlsSettings | null {
  if (tlsCertFile === null || tlsKeyFile === null) return null;
  return { certFile: tlsCertFile, keyFile: tlsKeyFile, minVersion: tlsMinVersion, clientCaFile: tlsClientCaFile };
}

export function ingestSettings(
  config: SinkConfig,
  redis: Pick<ServiceRedis, 'barrier' | 'backlogBytesMax'>,
): IngestSettings {
  return {
    ...FIXED_SETTINGS,
    sinkName: config.sinkName,
    lanes: config.lanes,
    timeInterval: plainInterval(config),
    holdMaxMs: config.holdMaxMs,
    durability: config.durability,
    barrier: redis.barrier,
    backlogBytesMax: Math.floor(redis.backlogBytesMax / config.lanes),
    dedupe:
      config.dedupeWindowMs === 0 ? null : { windowMs: config.dedupeWindowMs, fingerprintsMax: config.maxFingerprints },
    maxInFlightBytes: config.maxInFlightBytes,
    host: config.host,
    port: config.port,
    maxBodyBytes: config.maxBodyBytes,
    maxHeaderBytes: config.maxHeaderBytes,
    keepAliveTimeoutMs: config.keepAliveTimeoutMs,
    // What is in flight then has to be answered too.
    stopDelayMs: Math.min(config.stopDelayMs, config.stopGraceMs / 2),
    openFilesMax: openFilesMax(),
    appendTimeoutMs: appendTimeoutMs(config.maxBodyBytes),
    attributeEncoding: config.attributeEncoding,
    malformedJson: config.malformedJson,
    webhookAllowedOrigins: config.webhookAllowedOrigins,
    onInvalid: config.onInvalid,
    quarantineMaxBytes: config.quarantineMaxBytes,
    quarantineMaxPerSecond: config.quarantineMaxPerSecond,
    lenientContentType: config.lenientContentType,
  };
}
