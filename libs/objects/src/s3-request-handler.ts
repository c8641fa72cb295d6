import { Agent as HttpAgent, ClientRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';
import { createSecureContext, getCACertificates } from 'node:tls';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/** The way to a store, and to the services that give credentials for it. */
export interface S3Network {
  /** Absent: no proxy. */
  readonly proxy?: S3Proxy | undefined;
  /** Reads the certificates (PEM) of authorities that are trusted beside the usual ones. */
  readonly readCa?: (() => string) | undefined;
}

export interface S3Proxy {
  /** The proxy of http:// addresses, with its credentials. */
  readonly http?: string | undefined;
  /** The proxy of https:// addresses, with its credentials. */
  readonly https?: string | undefined;
  /** The hosts that are reached directly, separated by commas, as Node reads them. */
  readonly noProxy: string;
  /** For messages: without credentials, with the key or variable that names it. */
  readonly shown: string;
}

type Handle = NodeHttpHandler['handle'];

const connectTimeoutMs = 10_000;
const idleTimeoutDefaultMs = 60_000;
/** Above every reasonable upload concurrency. Further requests wait for a connection. */
const socketsMax = 64;
/** Servers that do not know `Expect` do not ask for the body: it is sent after this time. */
const continueWaitMs = 6_000;

/** Sends the requests of a client, through the proxy and with the trust of the configuration. */
export class S3RequestHandler extends NodeHttpHandler {
  readonly #network: S3Network;
  #trustAgain = false;

  constructor(network: S3Network, idleTimeoutMs = idleTimeoutDefaultMs) {
    super({
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      // A proxy of plain HTTP may close a connection after the answer without saying so.
      httpAgent: new HttpAgent({ ...agentOptions(network), keepAlive: network.proxy?.http === undefined }),
      httpsAgent: httpsAgent(network),
    });
    this.#network = network;
  }

  override async handle(...[request, options]: Parameters<Handle>): ReturnType<Handle> {
    // With agents of others, the SDK sends the body at once. An early 403 or 503 would then be lost in a reset.
    if (expectsContinue(request.headers)) request.body = new AwaitedBody(request.body as Readable | Uint8Array);
    if (this.#trustAgain) this.updateHttpClientConfig('httpsAgent', httpsAgent(this.#network));
    this.#trustAgain = false;
    try {
      return await super.handle(request, options);
    } catch (error) {
      // The file of the authorities may have been replaced: the next request reads it again.
      this.#trustAgain = this.#network.readCa !== undefined && isCertificateError(error);
      throw error;
    }
  }
}

function agentOptions({ proxy }: S3Network) {
  const proxyEnv = proxy && { HTTP_PROXY: proxy.http, HTTPS_PROXY: proxy.https, NO_PROXY: proxy.noProxy };
  return { keepAlive: true, maxSockets: socketsMax, ...(proxyEnv === undefined ? {} : { proxyEnv }) };
}

function httpsAgent(network: S3Network): HttpsAgent {
  const { readCa } = network;
  if (readCa === undefined) return new HttpsAgent(agentOptions(network));
  // One context for all connections: to parse some 150 authorities takes longer than a handshake.
  const secureContext = createSecureContext({ ca: [...getCACertificates('default'), readCa()] });
  return new HttpsAgent({ ...agentOptions(network), secureContext });
}

function isCertificateError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /CERT|SIGNATURE|ERR_TLS/.test(String(error.code));
}

function expectsContinue(headers: Readonly<Record<string, string>>): boolean {
  return Object.entries(headers).some(([name, value]) => name.toLowerCase() === 'expect' && value === '100-continue');
}

/** A body that is sent when the server asks for it with 100 Continue, and not at all if it answers before. */
class AwaitedBody extends Readable {
  readonly #body: Readable;

  constructor(body: Readable | Uint8Array) {
    super();
    this.#body = body instanceof Readable ? body : Readable.from([body], { objectMode: false });
  }

  override pipe<T extends NodeJS.WritableStream>(request: T): T {
    // A proxy of plain HTTP, which gets the whole address, may keep 100 Continue to itself.
    if (!(request instanceof ClientRequest) || request.path.startsWith('http:')) return this.#body.pipe(request);
    const send = (): void => {
      stopWaiting();
      this.#body.pipe(request);
    };
    const refused = (response: IncomingMessage): void => {
      stopWaiting();
      // The request stays unfinished, so its connection is of no further use.
      response.once('end', () => request.destroy());
    };
    const timer = setTimeout(send, continueWaitMs);
    const stopWaiting = (): void => {
      clearTimeout(timer);
      request.off('continue', send).off('response', refused).off('close', stopWaiting);
    };
    request.once('continue', send).once('response', refused).once('close', stopWaiting);
    return request;
  }
}
