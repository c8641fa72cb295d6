import { hash } from 'node:crypto';

const FINGERPRINT_DIGITS = 32;

/**
 * The identity of an event (CloudEvents 1.0.2, section 3.1.1: source and id together) in 16 bytes: half of the SHA-256
 * of both, with the length of the source before it, so that two different pairs never give the same text.
 *
 * @param line an event from decodeMessage
 */
export function fingerprint(line: string): Buffer {
  const { source, id } = JSON.parse(line) as { source: string; id: string };
  return Buffer.from(hash('sha256', `${source.length}:${source}${id}`, 'hex').slice(0, FINGERPRINT_DIGITS), 'hex');
}
