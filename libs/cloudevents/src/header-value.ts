import { isUtf8 } from 'node:buffer';

/** Printable ASCII without quotes, backslashes and percent signs. */
const PLAIN = /^[\x20\x21\x23\x24\x26-\x5b\x5d-\x7e]*$/;
const QUOTED_STRING = /^"((?:[^"\\]|\\.)*)"$/s;
const PERCENT = 0x25;

/** Whether reading the value as a header, in any way, and encoding it as a JSON string both leave it unchanged. */
export function isPlain(raw: string): boolean {
  return PLAIN.test(raw);
}

/*
 * The steps from the value of a header to its text. Values have one character (latin1) per byte, as node:http delivers
 * them; bytes outside ASCII are read as UTF-8, which Go's SDK sends.
 */

/** The content of a value that is one quoted string. Quotes inside a value are part of it, because brokers send such. */
export function unquoted(value: string): string {
  return QUOTED_STRING.exec(value)?.[1]?.replace(/\\(.)/gs, '$1') ?? value;
}

/** Decodes once. A `%` without two hex digits is kept. */
export function percentDecoded(value: string): string {
  if (!value.includes('%')) return value;
  return percentDecode(Buffer.from(value, 'latin1')).toString('latin1');
}

/** Null if the bytes are not UTF-8. */
export function utf8Text(value: string): string | null {
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : null;
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
