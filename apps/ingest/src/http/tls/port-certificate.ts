import { type Clock, type Logger, type Readiness, WatchedFiles } from '@sink/runtime';
import { type Certificate, examineCertificate, tlsFiles, type TlsSettings, TlsUnfit } from './certificate.ts';

/** How often the expiry of the certificate in use is looked at, and whether another one has become valid. */
const EXPIRY_LOOK_MS = 5_000;

export interface PortCertificatePorts {
  readonly clock: Pick<Clock, 'wallMs' | 'sleep'>;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly readiness: Pick<Readiness, 'set' | 'warn'>;
}

/**
 * The certificate with which the port is open. Its files are replaced while it runs: a good change is taken, a bad one
 * leaves the certificate in use until that expires.
 */
export class PortCertificate {
  readonly #settings: TlsSettings;
  readonly #ports: PortCertificatePorts;
  readonly #files: WatchedFiles;
  #inUse: Certificate;
  #rejected = false;
  /** When the files that were refused can be used. */
  #fitFromMs: number | null = null;

  /** @throws TlsUnfit */
  constructor(settings: TlsSettings, ports: PortCertificatePorts) {
    this.#settings = settings;
    this.#ports = ports;
    this.#files = new WatchedFiles(tlsFiles(settings), ports.clock);
    this.#inUse = examineCertificate(settings, this.#files.contents, ports.clock.wallMs());
    this.#tellDoubt();
  }

  get inUse(): Certificate {
    return this.#inUse;
  }

  /** Whether the files have changed to something that the port cannot use. */
  get rejected(): boolean {
    return this.#rejected;
  }

  get asksClients(): boolean {
    return this.#settings.clientCaFile !== null;
  }

  /** Calls back with each certificate that takes the place of the one in use, until the signal aborts. */
  async follow(ended: AbortSignal, replaced: () => void): Promise<void> {
    const watching = this.#files.watchUntil(ended, () => {
      if (this.#take()) replaced();
    });
    while (!ended.aborted) {
      if (this.#fitFromMs !== null && this.#fitFromMs <= this.#ports.clock.wallMs() && this.#take()) replaced();
      this.#lookAtExpiry();
      await this.#ports.clock.sleep(EXPIRY_LOOK_MS, ended);
    }
    await watching;
  }

  /** Whether the files have another certificate now, and it is good. */
  #take(): boolean {
    const { clock, log, readiness } = this.#ports;
    const before = this.#inUse;
    try {
      this.#inUse = examineCertificate(this.#settings, this.#files.contents, clock.wallMs(), before);
    } catch (error) {
      if (!(error instanceof TlsUnfit)) throw error;
      this.#rejected = true;
      this.#fitFromMs = error.fitFromMs;
      const until = new Date(error.fitFromMs ?? before.notAfterMs).toISOString();
      const stays = `The certificate in use stays until ${until}.`;
      readiness.warn('tls_files', `${error.message}. ${stays}`, `The files of TLS are refused. ${stays}`);
      log.error(
        { err: error, notAfter: dateOf(before) },
        'changed files of TLS are refused; the certificate in use stays',
      );
      return false;
    }
    const { names } = this.#inUse;
    if (this.#rejected) readiness.warn('tls_files', null);
    this.#rejected = false;
    this.#fitFromMs = null;
    log.info({ names, notAfter: dateOf(this.#inUse) }, 'the files of TLS have changed, and are in use');
    this.#tellDoubt();
    this.#lookAtExpiry();
    return true;
  }

  #tellDoubt(): void {
    const { doubt, names } = this.#inUse;
    if (doubt !== null)
      this.#ports.log.warn({ names, doubt }, 'not every client may accept the certificate of the port');
  }

  #lookAtExpiry(): void {
    const expired = this.#inUse.notAfterMs <= this.#ports.clock.wallMs();
    this.#ports.readiness.set('tls', expired ? `the certificate of the port expired at ${dateOf(this.#inUse)}` : null);
  }
}

function dateOf({ notAfterMs }: Certificate): string {
  return new Date(notAfterMs).toISOString();
}
