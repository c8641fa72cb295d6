import { createServer as createHttpServer, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Certificate } from './certificate.ts';

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  /** As it is published. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

export interface TokenIssuerOptions {
  /** Absent: plain HTTP. */
  readonly tls?: Certificate;
}

/** Publishes keys and a discovery document on a port of this machine, and signs tokens. */
export class TokenIssuer {
  readonly url: string;
  readonly #close: () => Promise<void>;
  /** What is published; the first one signs. */
  keys: SigningKey[] = [];
  /** Answers in its own way; returns false to leave a request to the issuer. */
  answer: (path: string, response: ServerResponse) => boolean = () => false;
  /** It closes each connection unheard. */
  isAway = false;
  /** The paths that were asked for, each with the bearer token that came along: `/jwks TOKEN`. */
  readonly asked: string[] = [];
  #made = 0;

  constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  get jwksUrl(): string {
    return `${this.url}/jwks`;
  }

  /** A key that is not published. */
  async makeKey(algorithm = 'ES256', kid = `key-${++this.#made}`): Promise<SigningKey> {
    const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
    return { kid, algorithm, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' } };
  }

  /** A new key replaces all that are published. */
  async rotate(algorithm?: string): Promise<SigningKey> {
    const key = await this.makeKey(algorithm);
    this.keys = [key];
    return key;
  }

  /**
   * A token that is valid for an hour unless its claims say otherwise. A claim that is undefined is left out.
   * @param key default: the first that is published
   */
  async sign(
    claims: Readonly<Record<string, unknown>>,
    header: Readonly<Record<string, unknown>> = {},
    key = this.keys[0],
  ): Promise<string> {
    if (key === undefined) throw new Error('signing a token: the issuer has no key');
    const nowSeconds = Math.floor(Date.now() / 1000);
    return new SignJWT({ iss: this.url, iat: nowSeconds, exp: nowSeconds + 3600, ...claims })
      .setProtectedHeader({ alg: key.algorithm, kid: key.kid, ...header })
      .sign(key.privateKey);
  }

  readonly listener: RequestListener = (request, response) => {
    const path = request.url ?? '';
    this.asked.push(`${path} ${request.headers.authorization ?? ''}`.trim());
    if (this.isAway) return void request.socket.destroy();
    if (this.answer(path, response)) return;
    response.setHeader('Content-Type', 'application/json');
    if (path === '/jwks') response.end(JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
    else if (path === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer: this.url, jwks_uri: this.jwksUrl }));
    } else response.writeHead(404).end();
  };

  close(): Promise<void> {
    return this.#close();
  }
}

/** An issuer with one key, ES256. */
export async function startTokenIssuer({ tls }: TokenIssuerOptions = {}): Promise<TokenIssuer> {
  const listener: RequestListener = (request, response) => issuer.listener(request, response);
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const issuer = new TokenIssuer(`${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  await issuer.rotate();
  return issuer;
}
