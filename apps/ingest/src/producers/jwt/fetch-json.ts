import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createSecureContext, getCACertificates } from 'node:tls';

/** How a document of an issuer is reached. Both files are read at each request, so that a change of theirs takes effect. */
export interface Way {
  /** A file with certificates (PEM) of authorities that are trusted beside the usual ones; null: only those. */
  readonly caFile: string | null;
  /** A file with the bearer token that the request carries; null: it carries none. */
  readonly tokenFile: string | null;
  /** The proxies of the environment; null: there are none. */
  readonly proxy: OutgoingProxy | null;
}

export interface OutgoingProxy {
  readonly http?: string | undefined;
  readonly https?: string | undefined;
  readonly noProxy: string;
}

const ANSWER_BYTES_MAX = 1024 * 1024;

/**
 * GETs one JSON document of at most 1 MiB. Redirects are not followed: each address is one that an operator, or the issuer
 * itself, has named.
 *
 * @param signal ends the request; the caller limits its time with it
 * @throws Error with the address and what is wrong with the answer
 */
export async function fetchJson(url: URL, way: Way, signal: AbortSignal): Promise<unknown> {
  try {
    const text = (await get(url, way, signal)).toString('utf8');
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const why = signal.aborted ? 'there was no answer in time' : reasonOf(cause);
    throw new Error(`fetching ${shown(url)}: ${why}`, { cause });
  }
}

/** An address for messages: its query may have a secret. */
export function shown({ origin, pathname }: URL): string {
  return origin + pathname;
}

async function get(url: URL, way: Way, signal: AbortSignal): Promise<Buffer> {
  const [ca, token] = await Promise.all([contentOf(way.caFile, signal), contentOf(way.tokenFile, signal)]);
  signal.throwIfAborted();
  const request = send(url, way.proxy, ca, token?.trim() ?? null);
  const abort = (): void => void request.destroy(new Error('aborted'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    request.end();
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    // From here on a failure of the request is one of the answer too.
    request.on('error', () => undefined);
    return await bodyOf(answer);
  } finally {
    signal.removeEventListener('abort', abort);
    request.destroy();
  }
}

function send(url: URL, proxy: OutgoingProxy | null, ca: string | null, token: string | null): ClientRequest {
  const proxyEnv = proxy && { HTTP_PROXY: proxy.http, HTTPS_PROXY: proxy.https, NO_PROXY: proxy.noProxy };
  // An agent of its own, because documents are fetched minutes apart.
  const agentOptions = { keepAlive: false, ...(proxyEnv === null ? {} : { proxyEnv }) };
  const headers = { Accept: 'application/json', ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
  if (url.protocol === 'http:') return httpRequest(url, { agent: new HttpAgent(agentOptions), headers });
  const trust =
    ca === null ? {} : { secureContext: createSecureContext({ ca: [...getCACertificates('default'), ca] }) };
  return httpsRequest(url, { agent: new HttpsAgent({ ...agentOptions, ...trust }), headers });
}

async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const status = answer.statusCode ?? 0;
  if (status >= 300 && status < 400) {
    throw new Error(`the answer is a redirect (${status}), which is not followed: give the address where the keys are`);
  }
  if (status !== 200) throw new Error(`the answer has the status ${status}`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer is larger than ${ANSWER_BYTES_MAX} bytes`);
  }
  return Buffer.concat(chunks, bytes);
}

function contentOf(file: string | null, signal: AbortSignal): Promise<string> | null {
  return file === null ? null : readFile(file, { encoding: 'utf8', signal });
}

function reasonOf(cause: unknown): string {
  if (cause instanceof SyntaxError) return 'the answer is no JSON';
  if (!(cause instanceof Error)) return String(cause);
  // Of several addresses of a host, Node gives one error without a message.
  return cause.message || ('code' in cause ? String(cause.code) : cause.name);
}
