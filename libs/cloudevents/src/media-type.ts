/** Media types (RFC 2046, RFC 9110 section 8.3), as far as decoding of messages needs them. */

/** How the bytes of `data` are stored, by their declared media type. */
export type DataKind = 'json' | 'text' | 'binary';

export interface MediaType {
  /** type/subtype in lower case, without parameters. */
  readonly essence: string;
  /** In lower case; null if none is given. */
  readonly charset: string | null;
}

const MEDIA_TYPE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(;.*)?$/s;
const PARAMETER = /;[ \t]*([^=; \t"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;" \t]*))/gs;
const UTF8_CHARSETS = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii']);

/** Exactly what nearly every message sends: parsing it each time would cost as much as all other headers. */
const COMMON: ReadonlyMap<string, MediaType> = new Map(
  ['application/json', 'application/cloudevents+json', 'application/cloudevents-batch+json'].map((essence) => [
    essence,
    { essence, charset: null },
  ]),
);

/** Null if `value` is not a media type. Parameters other than charset are ignored. */
export function parseMediaType(value: string): MediaType | null {
  const common = COMMON.get(value);
  if (common !== undefined) return common;
  const parts = MEDIA_TYPE.exec(value);
  const essence = parts?.[1];
  if (essence === undefined) return null;
  return { essence: essence.toLowerCase(), charset: charsetOf(parts?.[2]) };
}

function charsetOf(parameters: string | undefined): string | null {
  if (parameters === undefined) return null;
  for (const [, name, quoted, token] of parameters.matchAll(PARAMETER)) {
    if (name?.toLowerCase() !== 'charset') continue;
    return (quoted?.replace(/\\(.)/gs, '$1') ?? token ?? '').toLowerCase();
  }
  return null;
}

/** No charset, UTF-8, or its subset US-ASCII. */
export function isUtf8Charset(charset: string | null): boolean {
  return charset === null || UTF8_CHARSETS.has(charset);
}

/**
 * `json` for the types of the JSON event format, section 3.1.1 (subtype `json`, or any with the suffix `+json`), `text`
 * for `text/*`. Data in a charset other than UTF-8 is `binary`, because a JSON string would contain other bytes than
 * those that were sent.
 */
export function dataKind({ essence, charset }: MediaType): DataKind {
  if (!isUtf8Charset(charset)) return 'binary';
  if (essence.endsWith('/json') || essence.endsWith('+json')) return 'json';
  return essence.startsWith('text/') ? 'text' : 'binary';
}
