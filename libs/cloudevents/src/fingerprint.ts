import { hash } from 'node:crypto';

const FINGERPRINT_DIGITS = 32;

/**
 * What makes an event the same event (CloudEvents 1.0.2, section 3.1.1: source and id together), in 16 bytes: half a
 * SHA-256 over both, the source with its length before it, so that no two pairs read alike.
 *
 * @param line an event as decodeMessage gives it
 */
export function fingerprint(line: string): Buffer {
  const { source, id } = JSON.parse(line) as { source: string; id: string };
  return Buffer.from(hash('sha256', `${source.length}:${source}${id}`, 'hex').slice(0, FINGERPRINT_DIGITS), 'hex');
}
