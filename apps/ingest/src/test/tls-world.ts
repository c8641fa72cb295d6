import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { Readiness, Registry, systemClock } from '@sink/runtime';
import { type Certificate, type CertificateOptions, makeCertificate, temporaryDirectory } from '@sink/testing';
import { onTestFinished } from 'vitest';
import type { TlsSettings } from '../http/tls/certificate.ts';
import { PortCertificate } from '../http/tls/port-certificate.ts';
import { TlsMetrics } from '../http/tls/tls-metrics.ts';
import type { PortTls } from '../http/tls/tls-server.ts';
import { type Ingest, type IngestSettings, startIngest } from './harness.ts';

export const NAMES = ['IP:127.0.0.1'];

export function certificate(names = NAMES, options: CertificateOptions = {}): Certificate {
  const made = makeCertificate(names, options);
  if (made === null) throw new Error('these tests need openssl');
  return made;
}

/** The same certificate, valid from this many days on. Its signature is no longer right, which only clients look at. */
export function startingIn(days: number, { cert, key }: Certificate): Certificate {
  const der = Buffer.from(cert.replace(/-----[A-Z ]+-----/g, ''), 'base64').toString('latin1');
  const start = new Date(Date.now() + days * 86_400_000).toISOString().replace(/\..*|[-:T]/g, '');
  const moved = Buffer.from(der.replace(/\d{12}Z/, `${start.slice(2)}Z`), 'latin1').toString('base64');
  return { cert: `-----BEGIN CERTIFICATE-----\n${moved}\n-----END CERTIFICATE-----\n`, key };
}

/** The files of TLS in a directory of their own. */
export class TlsFiles {
  readonly settings: TlsSettings;

  constructor(own: Certificate, clientCa: string | null = null, minVersion: TlsSettings['minVersion'] = '1.2') {
    const at = (name: string): string => join(directory, name);
    const directory = temporaryDirectory('tls');
    const clientCaFile = clientCa === null ? null : at('ca.crt');
    this.settings = { certFile: at('tls.crt'), keyFile: at('tls.key'), minVersion, clientCaFile };
    this.write(own);
    if (clientCa !== null) this.writeClientCa(clientCa);
  }

  write({ cert, key }: Certificate): void {
    writeFileSync(this.settings.certFile, cert);
    writeFileSync(this.settings.keyFile, key);
  }

  writeClientCa(pem: string): void {
    writeFileSync(this.settings.clientCaFile ?? '', pem);
  }
}

/** A port with TLS whose files are looked at every few milliseconds. */
export interface TlsIngest extends Ingest {
  readonly tls: PortTls;
  readonly portReadiness: Readiness;
  readonly logged: { readonly level: string; readonly text: string }[];
  /** Days by which the clock of the certificate is ahead. */
  readonly daysAhead: { days: number };
  /** The value of a metric of TLS. */
  readonly tlsMetric: (line: string) => Promise<number>;
}

export async function startTlsIngest(
  files: TlsFiles,
  { ticketSalt = 'salt', ...settings }: IngestSettings & { readonly ticketSalt?: string } = {},
): Promise<TlsIngest> {
  const logged: TlsIngest['logged'] = [];
  const daysAhead = { days: 0 };
  const write = (level: string) => (fields: unknown, text: string) =>
    void logged.push({ level, text: `${text} ${JSON.stringify(fields)}` });
  const clock = {
    wallMs: () => systemClock.wallMs() + daysAhead.days * 86_400_000,
    sleep: (_ms: number, ended?: AbortSignal) => systemClock.sleep(10, ended),
  };
  const portReadiness = new Readiness();
  portReadiness.set('starting', null);
  const registry = new Registry();
  const log = { info: write('info'), warn: write('warn'), error: write('error') };
  const port = new PortCertificate(files.settings, { clock, log: log as never, readiness: portReadiness });
  const tls = { certificate: port, ticketSalt, metrics: new TlsMetrics(registry, port, clock.wallMs) };
  const ingest = await startIngest({ ...settings, tls });
  const ended = new AbortController();
  const following = port.follow(ended.signal, () => ingest.server.certificateReplaced());
  onTestFinished(async () => {
    ended.abort();
    await following;
  });
  const tlsMetric = async (line: string): Promise<number> => {
    const found = (await registry.metrics()).split('\n').find((text) => text.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1));
  };
  return { ...ingest, tls, portReadiness, logged, daysAhead, tlsMetric };
}

/** A connection of TLS, and what comes back on it. */
export class TlsClient {
  readonly socket: TLSSocket;
  text = '';
  /** The last session that the port has given. */
  session: Buffer | undefined;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => (this.text += data.toString('latin1')));
    socket.on('session', (session: Buffer) => (this.session = session));
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
  }

  static async connect(port: number, options: ConnectionOptions = {}): Promise<TlsClient> {
    const settings = { host: '127.0.0.1', port, rejectUnauthorized: false, allowHalfOpen: true, ...options };
    const client = new TlsClient(connect(settings as ConnectionOptions));
    await once(client.socket, 'secureConnect');
    return client;
  }

  /** The serial number of the certificate that the port has shown. */
  get shown(): string {
    return this.socket.getPeerCertificate().serialNumber;
  }

  /** Sends one event, and resolves to the status of its answer. */
  async post(more = ''): Promise<number> {
    const before = this.text.length;
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nCe-Id: 1\r\nCe-Source: /s\r\nCe-Specversion: 1.0\r\nCe-Type: t\r\n';
    this.socket.write(`${head}${more}Content-Length: 0\r\n\r\n`);
    for (;;) {
      const [, status] = /^HTTP\/1\.1 (\d+) [^]*?\r\n\r\n/.exec(this.text.slice(before)) ?? [];
      if (status !== undefined) return Number(status);
      await once(this.socket, 'data');
    }
  }
}
