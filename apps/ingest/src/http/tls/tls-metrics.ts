import { Counter, Gauge, type Registry } from '@sink/runtime';
import type { Certificate } from './certificate.ts';

const DAY_MS = 86_400_000;

/**
 * Why a connection never got to its first request: a closed set, because it is a metric label. `plain_http`: the client
 * speaks HTTP without TLS; `version`: only versions of TLS below tls.min_version; `timeout`: it did not finish in time;
 * `refused`: it refuses the certificate of the port.
 */
export type HandshakeFailure = 'plain_http' | 'version' | 'timeout' | 'refused' | 'other';

const FAILURES: readonly HandshakeFailure[] = ['plain_http', 'version', 'timeout', 'refused', 'other'];

/** What TLS of the port counts and shows. */
export class TlsMetrics {
  readonly #failed: Counter<'reason'>;

  constructor(
    registry: Registry,
    of: { readonly inUse: Pick<Certificate, 'notAfterMs' | 'validMs'>; readonly rejected: boolean },
    wallMs: () => number,
  ) {
    const registers = [registry];
    this.#failed = new Counter({
      name: 'sink_ingest_handshakes_failed_total',
      help: 'Connections that ended before TLS was established, by reason. Only with TLS, as the other metrics of the certificate.',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of FAILURES) this.#failed.inc({ reason }, 0);
    const left: Gauge = new Gauge({
      name: 'sink_ingest_certificate_days_left',
      help: 'Days until the certificate of the port expires; below 0 afterwards.',
      aggregator: 'min',
      registers,
      collect: () => left.set((of.inUse.notAfterMs - wallMs()) / DAY_MS),
    });
    const valid: Gauge = new Gauge({
      name: 'sink_ingest_certificate_days',
      help: 'For how many days the certificate of the port is valid in all.',
      aggregator: 'min',
      registers,
      collect: () => valid.set(of.inUse.validMs / DAY_MS),
    });
    const rejected: Gauge = new Gauge({
      name: 'sink_ingest_certificate_rejected',
      help: '1 while the files of TLS have changed to something that the port cannot use; the certificate in use stays.',
      aggregator: 'max',
      registers,
      collect: () => rejected.set(of.rejected ? 1 : 0),
    });
  }

  handshakeFailed(reason: HandshakeFailure): void {
    this.#failed.inc({ reason });
  }
}
