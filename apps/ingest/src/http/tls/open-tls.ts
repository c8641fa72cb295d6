import { randomBytes } from 'node:crypto';
import { readEnvironment } from '@sink/config';
import type { ServiceContext } from '@sink/runtime';
import { tlsSettings } from '../../settings.ts';
import { PortCertificate } from './port-certificate.ts';
import { TlsMetrics } from './tls-metrics.ts';
import type { PortTls } from './tls-server.ts';

/**
 * Reads the certificate of the port. Null: the port takes plain HTTP.
 * @throws TlsUnfit
 */
export function openTls(context: ServiceContext): PortTls | null {
  const { clock, config, registry } = context;
  const settings = tlsSettings(config);
  if (settings === null) return null;
  const certificate = new PortCertificate(settings, context);
  const metrics = new TlsMetrics(registry, certificate, () => clock.wallMs());
  // Of a worker, its parent has chosen it.
  const ticketSalt = readEnvironment()['SINK_TICKET_SALT'] ?? randomBytes(32).toString('hex');
  return { certificate, ticketSalt, metrics };
}

/** Has the files of the certificate followed until the service stops. */
export function followCertificate(
  { shutdown, signal }: ServiceContext,
  tls: PortTls | null,
  replaced: () => void,
): void {
  const following = tls?.certificate.follow(signal, replaced);
  if (following !== undefined) shutdown.add('certificate', () => following);
}
