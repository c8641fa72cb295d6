import { isUtf8 } from 'node:buffer';

/** Printable ASCII without quotes, backslashes and percent signs. */
const PLAIN = /^[\x20\x21\x23\x24\x26-\x5b\x5d-\x7e]*$/;
const QUOTED_STRING = /^"((?:[^"\\]|\\.)*)"$/s;
const PERCENT = 0x25;

/** Whether decoding the value as a header and encoding it as a JSON string both leave it unchanged. */
export function isPlain(raw: string): boolean {
  return PLAIN.test(raw);
}

/**
 * The text of a `ce-` header's value (HTTP binding 1.0.2, section 3.1.3.2); null if its bytes are not UTF-8.
 *
 * If the whole value is a quoted string, it is unquoted. Quotes inside a value are part of it, because real brokers
 * send such values. Then percent-encoding is decoded once; a `%` without two hex digits is kept, for the same reason.
 * Bytes outside ASCII are read as UTF-8, which Go's SDK sends.
 *
 * @param raw from node:http: one character (latin1) per byte
 */
export function decodeHeaderValue(raw: string): string | null {
  const value = QUOTED_STRING.exec(raw)?.[1]?.replace(/\\(.)/gs, '$1') ?? raw;
  const bytes = Buffer.from(value, 'latin1');
  const decoded = value.includes('%') ? percentDecode(bytes) : bytes;
  return isUtf8(decoded) ? decoded.toString('utf8') : null;
}

/** Decodes in place. */
function percentDecode(bytes: Buffer): Buffer {
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes.readUInt8(at);
    const high = byte === PERCENT ? hexDigit(bytes[at + 1]) : -1;
    const low = high === -1 ? -1 : hexDigit(bytes[at + 2]);
    if (low === -1) {
      bytes[length++] = byte;
    } else {
      bytes[length++] = high * 16 + low;
      at += 2;
    }
  }
  return bytes.subarray(0, length);
}

/** -1 if `byte` is undefined or not a hex digit. */
function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
