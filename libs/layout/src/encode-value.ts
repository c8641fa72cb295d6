import { hash } from 'node:crypto';

/** A longer encoding is shortened. */
export const ENCODED_BYTES_MAX = 180;
const KEPT_BYTES = 140;
const HASH_DIGITS = 32;

const PLAIN = /^[A-Za-z0-9-][A-Za-z0-9._-]*$/;
const KEPT = /[A-Za-z0-9._-]/;
const ENCODED = /^(?:[A-Za-z0-9._-]|%[0-9A-F]{2})+$/;
const PERCENT = Array.from({ length: 256 }, (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`);
const ESCAPED = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return byte < 0x80 && KEPT.test(character) ? character : (PERCENT[byte] ?? '');
});

/**
 * One value as a part of one segment of a path, whatever a producer sends. No two values have the same encoding, and none
 * has that of the default, which stands where there is no value. (Vector had to change its own in July 2026: a producer
 * could lead out of its folder.)
 *
 * @param value not empty, without unpaired surrogates
 */
export function encodeValue(value: string, fallback: string | null): string {
  // Each unit gives at least one byte, so the rest of a longer text is in its hash only.
  const head = value.slice(0, ENCODED_BYTES_MAX + 1);
  const encoded = value === fallback ? escapeFirst(value) : PLAIN.test(head) ? head : escape(head);
  if (encoded.length <= ENCODED_BYTES_MAX) return encoded;
  return `${encoded.slice(0, KEPT_BYTES)}~${hash('sha256', value, 'hex').slice(0, HASH_DIGITS)}`;
}

function escape(value: string): string {
  let encoded = '';
  for (const byte of Buffer.from(value)) encoded += ESCAPED[byte] ?? '';
  const first = encoded.charAt(0);
  return first === '.' || first === '_' ? escapeFirst(encoded) : encoded;
}

function escapeFirst(encoded: string): string {
  return (PERCENT[encoded.charCodeAt(0)] ?? '') + encoded.slice(1);
}

/** What a path says about a value. */
export interface PathValue {
  /** As it is in the path. */
  readonly encoded: string;
  /** Null: the event has none, or it is shortened. */
  readonly value: string | null;
  readonly kind: 'value' | 'missing' | 'shortened';
}

/** The reverse of encodeValue; null for a text that it does not make. */
export function decodeValue(encoded: string, fallback: string | null): PathValue | null {
  if (encoded === fallback) return { encoded, value: null, kind: 'missing' };
  if (encoded[KEPT_BYTES] === '~') {
    const isShortened = encoded.length === KEPT_BYTES + 1 + HASH_DIGITS;
    return isShortened ? { encoded, value: null, kind: 'shortened' } : null;
  }
  if (!ENCODED.test(encoded)) return null;
  try {
    const value = decodeURIComponent(encoded);
    return encodeValue(value, fallback) === encoded ? { encoded, value, kind: 'value' } : null;
  } catch {
    return null; // no UTF-8
  }
}
