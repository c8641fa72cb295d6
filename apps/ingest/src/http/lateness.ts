import { connect, type Socket } from 'node:net';
import { Gauge, Histogram, type Registry } from '@sink/runtime';

const TICK_MS = 100;
const PROBE_EVERY_MS = 250;
const PROBES_MAX = 64;
/** A figure counts for so long after it was measured. */
const RECENT_MS = 1_000;
/** From this lag on, a client that ended its side of the connection is taken to have given up. */
const LATE_MS = 1_000;
const PROBE = 'GET /healthz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n';
/** Not the beginning of a handshake (an alert): the port answers it without the work of one. */
const TLS_PROBE = Buffer.from([0x15, 3, 1, 0, 2, 2, 90]);
const APPEND_WEIGHT = 0.1;
/** What is left of the expected append after each tick without one: else one slow append could refuse all that follow. */
const APPEND_KEPT = 0.9;
const AGE_SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * How late ingest is. Two things make it late: the event loop is held up, or connections wait in the system's queue until
 * they are accepted. Node shows neither, so a timer measures the first, and a connection to the own port now and then the
 * second.
 */
export class Lateness {
  readonly #nowMs: () => number;
  readonly #ageSeconds: Histogram;
  #tickedAtMs: number;
  #loopLag = { ms: 0, atMs: -Infinity };
  #loopLagMaxMs = 0;
  #acceptLag = { ms: 0, atMs: -Infinity };
  /** Probes on their way, the oldest first, with the time of their start. */
  readonly #probes = new Map<Socket, number>();
  #oldestProbeMs: number | null = null;
  #appendMs = 0;

  constructor(registry: Registry, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#tickedAtMs = nowMs();
    const lag: Gauge = new Gauge({
      name: 'sink_ingest_loop_lag_seconds',
      help: 'The longest that the event loop of ingest was held up since the last scrape.',
      aggregator: 'max',
      registers: [registry],
      collect: () => {
        lag.set(Math.max(this.#loopLagMaxMs, this.loopLagMs(nowMs())) / 1000);
        this.#loopLagMaxMs = 0;
      },
    });
    this.#ageSeconds = new Histogram({
      name: 'sink_ingest_connection_age_seconds',
      help: 'The age of a connection when ingest reads its first request, with the time in the queue of the system (estimated).',
      buckets: AGE_SECONDS_BUCKETS,
      registers: [registry],
    });
  }

  /** Measures until the returned function is called. */
  start(host: string, port: number, scheme: 'http' | 'https'): () => void {
    this.#tickedAtMs = this.#nowMs();
    const ticks = setInterval(() => this.#tick(), TICK_MS);
    const probes = setInterval(() => this.#probe(host, port, scheme === 'http' ? PROBE : TLS_PROBE), PROBE_EVERY_MS);
    return () => {
      clearInterval(ticks);
      clearInterval(probes);
      for (const socket of this.#probes.keys()) socket.destroy();
    };
  }

  /** How long the loop was held up lately, or is held up now. */
  loopLagMs(nowMs: number): number {
    return Math.max(recent(this.#loopLag, nowMs), nowMs - this.#tickedAtMs - TICK_MS, 0);
  }

  /** How long the connections that are accepted now have waited for that. */
  acceptLagMs(nowMs: number): number {
    return this.#oldestProbeMs === null ? recent(this.#acceptLag, nowMs) : nowMs - this.#oldestProbeMs;
  }

  get isLate(): boolean {
    const nowMs = this.#nowMs();
    return this.loopLagMs(nowMs) > LATE_MS || this.acceptLagMs(nowMs) > LATE_MS;
  }

  /** How long storing is expected to take. */
  get appendMs(): number {
    return this.#appendMs;
  }

  /** A request of a client was stored in this time. */
  stored(tookMs: number): void {
    this.#appendMs += (tookMs - this.#appendMs) * APPEND_WEIGHT;
  }

  /** The first request of a connection was read at this age. */
  firstRead(ageMs: number): void {
    this.#ageSeconds.observe(ageMs / 1000);
  }

  #tick(): void {
    const nowMs = this.#nowMs();
    const ms = nowMs - this.#tickedAtMs - TICK_MS;
    this.#tickedAtMs = nowMs;
    this.#loopLagMaxMs = Math.max(this.#loopLagMaxMs, ms);
    if (ms >= recent(this.#loopLag, nowMs)) this.#loopLag = { ms, atMs: nowMs };
    this.#appendMs *= APPEND_KEPT;
  }

  #probe(host: string, port: number, bytes: string | Buffer): void {
    if (this.#probes.size >= PROBES_MAX) return;
    const sinceMs = this.#nowMs();
    const socket = connect({ host, port });
    this.#probes.set(socket, sinceMs);
    this.#oldestProbeMs ??= sinceMs;
    socket.on('error', () => undefined);
    socket.once('connect', () => socket.write(bytes));
    socket.once('data', () => {
      const nowMs = this.#nowMs();
      this.#acceptLag = { ms: nowMs - sinceMs, atMs: nowMs };
      // Leaves no connection behind that the system has to remember.
      socket.resetAndDestroy();
    });
    socket.once('close', () => {
      this.#probes.delete(socket);
      const [oldestMs = null] = this.#probes.values();
      this.#oldestProbeMs = oldestMs;
    });
  }
}

function recent({ ms, atMs }: { ms: number; atMs: number }, nowMs: number): number {
  return nowMs - atMs <= RECENT_MS ? ms : 0;
}
