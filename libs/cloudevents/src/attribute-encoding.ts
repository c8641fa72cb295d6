/**
 * Whether the values of `ce-` headers are percent-encoded. The specification demands it (HTTP binding 1.0.2, section
 * 3.1.3.2), and most SDKs do not do it: then `/s/a%2Fb` is the source itself, and decoding makes another event of it.
 */
import { isUtf8 } from 'node:buffer';
import { isAllowedText } from './attributes.ts';
import { percentDecoded, unquoted, utf8Text } from './header-value.ts';

/**
 * - `auto`: decided for each message
 * - `percent`: as the specification says
 * - `raw`: values are kept as they came
 */
export type AttributeEncoding = 'auto' | 'percent' | 'raw';

/** The text of a header's value as node:http delivers it (one character per byte); null if its bytes are not UTF-8. */
export type ValueReader = (raw: string) => string | null;

/** The attributes that decide. A redelivery keeps them, so it is read in the same way. */
const DECIDING = new Set(['id', 'source', 'subject', 'type', 'dataschema']);
const URIS = new Set(['source', 'dataschema']);

/**
 * What a conforming encoder leaves of a text: no space, quote or byte beyond 0x7E, and escapes of nothing else than those
 * and the percent sign.
 */
const ENCODED_TEXT = /^(?:[!#$&-~]|%(?:2[025]|[89A-Fa-f][0-9A-Fa-f]))*$/;
/** What it leaves of a URI, in which a percent sign begins an escape, and which holds nothing else that it must encode. */
const ENCODED_URI = /^(?:[!#$&-~]|%25[0-9A-Fa-f]{2})*$/;

/** Vanus and Knative send with Go's SDK, which does not encode, and mark what they send. */
const SENT_RAW = /^ce-(?:xvanus|knative)/i;

const keep: ValueReader = utf8Text;
const keepUnquoted: ValueReader = (raw) => utf8Text(unquoted(raw));
const decode: ValueReader = (raw) => utf8Text(percentDecoded(unquoted(raw)));

/** How all `ce-` values of a message are read. */
export function valueReader(rawHeaders: readonly string[], encoding: AttributeEncoding): ValueReader {
  switch (encoding) {
    case 'raw':
      return keep;
    case 'percent':
      return decode;
    case 'auto':
      return decide(rawHeaders);
  }
}

function decide(rawHeaders: readonly string[]): ValueReader {
  let reader = decode;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] ?? '';
    if (SENT_RAW.test(header)) return keep;
    const name = header.slice('ce-'.length).toLowerCase();
    if (!/^ce-/i.test(header) || !DECIDING.has(name)) continue;
    if (!isEncoded(name, unquoted(rawHeaders[at + 1] ?? ''))) reader = keepUnquoted;
  }
  return reader;
}

/** Whether the value is what a conforming encoder makes of a value that the attribute may have. */
function isEncoded(name: string, value: string): boolean {
  if (URIS.has(name)) return ENCODED_URI.test(value);
  if (!ENCODED_TEXT.test(value)) return false;
  if (!value.includes('%')) return true;
  const bytes = Buffer.from(percentDecoded(value), 'latin1');
  return isUtf8(bytes) && isAllowedText(bytes.toString('utf8'));
}
