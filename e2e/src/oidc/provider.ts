import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider from 'oidc-provider';

export const AUDIENCE = 'sink-aws-s3';
const CLIENT = { client_id: 'sender', client_secret: 'a-secret-of-the-sender-that-is-long-enough' };

/** A real OpenID provider, which services ask for tokens with their own credentials (OAuth 2.0, section 4.4). */
export class OidcProvider {
  readonly issuer: string;
  readonly #port: number;
  #keys: JWK[] = [];
  #server: Server | null = null;

  constructor(port: number) {
    this.#port = port;
    this.issuer = `http://127.0.0.1:${port}`;
  }

  /** A new key signs; the old ones are not published any more. It takes effect with the next start. */
  async rotate(kid: string): Promise<void> {
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    this.#keys = [{ ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }];
  }

  async start(): Promise<void> {
    const provider = new Provider(this.issuer, {
      jwks: { keys: this.#keys },
      clients: [{ ...CLIENT, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_context: unknown, resource: string) => ({
            scope: 'send',
            audience: resource.slice('urn:'.length),
            accessTokenFormat: 'jwt',
            accessTokenTTL: 3600,
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
    });
    const server = createServer(provider.callback());
    // The tests' own connections must not outlive a restart.
    server.maxRequestsPerSocket = 1;
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  /** A token for the client, signed with the newest key. */
  async token(audience = AUDIENCE): Promise<string> {
    const answer = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: {
        Authorization: `Basic ${Buffer.from(`${CLIENT.client_id}:${CLIENT.client_secret}`).toString('base64')}`,
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'send', resource: `urn:${audience}` }),
    });
    const found = (await answer.json()) as { access_token?: string };
    if (found.access_token === undefined) throw new Error(`asking for a token: ${JSON.stringify(found)}`);
    return found.access_token;
  }
}
