import { lookup as lookupName, type LookupAddress } from 'node:dns';
import { type Agent as HttpAgent, request as requestHttp } from 'node:http';
import { type Agent as HttpsAgent, request as requestHttps, type RequestOptions } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** From the first step to the last byte. */
const TIMEOUT_MS = 5_000;

export interface GetOptions {
  readonly bytesMax: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Which addresses may be connected to; absent: all. */
  readonly allows?: (address: string) => boolean;
  readonly agent?: HttpAgent | HttpsAgent;
  /** Tests replace these. */
  readonly lookup?: LookupFunction;
  readonly ca?: string;
  readonly timeoutMs?: number;
}

export type GetAnswer =
  | { readonly kind: 'answer'; readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string }
  | { readonly kind: 'too_large' }
  /** It may not be connected to. */
  | { readonly kind: 'forbidden'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string };

class Forbidden extends Error {
  override readonly name = 'Forbidden';
}

/**
 * One GET, without redirects, cookies or proxies. Every address is judged when its connection is made: what a name meant a
 * moment before says nothing.
 */
export function get(url: URL, options: GetOptions): Promise<GetAnswer> {
  const { allows, timeoutMs = TIMEOUT_MS } = options;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // Node asks no `lookup` for a host that is an address.
  if (allows !== undefined && isIP(host) !== 0 && !allows(host)) return Promise.resolve(forbidden(host));
  const { promise, resolve } = Promise.withResolvers<GetAnswer>();
  const signal = AbortSignal.timeout(timeoutMs);
  const settings: RequestOptions = {
    method: 'GET',
    headers: {
      Accept: 'application/schema+json, application/json, */*;q=0.5',
      'Accept-Encoding': 'identity',
      ...options.headers,
    },
    agent: options.agent ?? false,
    lookup: allows === undefined ? options.lookup : guardedLookup(options.lookup ?? lookupName, allows),
    signal,
    ...(options.ca !== undefined && { ca: options.ca }),
  };
  const fail = (error: unknown): void => {
    if (error instanceof Forbidden) resolve({ kind: 'forbidden', why: error.message });
    else resolve({ kind: 'failed', why: signal.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error) });
  };
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, settings, (response) => {
    void readText(response, options.bytesMax).then((text) => {
      if (text === null) resolve({ kind: 'too_large' });
      else resolve({ kind: 'answer', status: response.statusCode ?? 0, headers: response.headers, text });
    }, fail);
  });
  request.once('error', fail);
  if (allows !== undefined) {
    request.once('socket', (socket) =>
      // Once more, on what is really connected, before a byte is sent.
      socket.once('connect', () => {
        const { remoteAddress = '' } = socket;
        if (!allows(remoteAddress)) request.destroy(new Forbidden(forbidden(remoteAddress).why));
      }),
    );
  }
  request.end();
  return promise;
}

function forbidden(address: string): Extract<GetAnswer, { kind: 'forbidden' }> {
  return { kind: 'forbidden', why: `${address} is no public address` };
}

/** A name of which one address is not allowed is refused: the next connection might take that one. */
function guardedLookup(lookup: LookupFunction, allows: (address: string) => boolean): LookupFunction {
  return (host, options, callback) =>
    lookup(host, options, (error, found, family) => {
      if (error) return callback(error, found, family);
      const addresses: readonly string[] =
        typeof found === 'string' ? [found] : found.map(({ address }: LookupAddress) => address);
      const refused = addresses.find((address) => !allows(address));
      if (refused === undefined && addresses.length > 0) return callback(null, found, family);
      callback(new Forbidden(`${host} is ${refused ?? 'nothing'}, no public address`), found, family);
    });
}

/** Null: it is too large. @throws what the connection ends with */
async function readText(response: IncomingMessage, bytesMax: number): Promise<string | null> {
  const { 'content-encoding': encoding, 'content-length': length } = response.headers;
  if (encoding !== undefined && encoding !== 'identity') {
    response.destroy();
    throw new Error(`it is compressed (${encoding.slice(0, 20)}), which was not asked for`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (Number(length ?? 0) <= bytesMax) {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) break;
      chunks.push(chunk);
    }
    if (bytes <= bytesMax) return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks, bytes));
  }
  response.destroy();
  return null;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return code !== '' && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
}
