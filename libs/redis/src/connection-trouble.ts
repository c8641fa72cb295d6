import { Cluster, type Redis } from 'ioredis';
import { operatorProblem, type RedisProblem } from './requirements.ts';

/** Codes of OpenSSL and Node, and what they mean for a connection to Redis. */
const TLS_PROBLEMS: readonly (readonly [code: RegExp, found: string, remedy: string])[] = [
  [
    /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_SELF_SIGNED)/,
    'the certificate of Redis is not signed by an authority that is known here',
    "set redis.tls_ca_file to the file with the authority's certificate (PEM)",
  ],
  [
    /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    'the certificate of Redis is not valid now',
    'renew it, or set the clock of this machine right',
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'the certificate of Redis is for another name than the address that is used',
    'use a name that is in the certificate as the address, or set redis.tls_server_name to it',
  ],
  [
    /ALERT_(CERTIFICATE|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/,
    'Redis wants a certificate of this client that it accepts',
    'set redis.tls_cert_file and redis.tls_key_file to a certificate that is signed by an authority which Redis knows (or tls-auth-clients no in Redis)',
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|RECORD_TOO_SMALL|BAD_RECORD_TYPE|HTTP_REQUEST/,
    'the port of Redis does not speak TLS',
    'use redis:// instead of rediss:// (redis.tls: false), or the TLS port of Redis (tls-port)',
  ],
];

const NO_HANDSHAKE = {
  code: 'tls',
  found: 'the port does not answer the TLS handshake',
  remedy:
    'if it does not speak TLS, use redis:// instead of rediss:// (redis.tls: false), or the TLS port of Redis (tls-port); otherwise look at network and firewall',
} as const;

/** What an operator can do about an error of the connection; null: it may end by itself. */
export function connectionProblem(error: Error, tls: boolean): RedisProblem | null {
  const login = operatorProblem(error);
  if (login !== null) return login;
  const code = 'code' in error ? String(error.code) : '';
  const known = TLS_PROBLEMS.find(([pattern]) => pattern.test(code));
  if (known !== undefined) return { code: 'tls', found: known[1], remedy: known[2] };
  if (tls && (code === 'ETIMEDOUT' || /before secure TLS connection/.test(error.message))) return NO_HANDSHAKE;
  if (!tls && error.message.startsWith('Protocol error')) return closedProblem(tls);
  return null;
}

/** A connection that opens and is closed before any answer, without an error. */
function closedProblem(tls: boolean): RedisProblem {
  return tls
    ? {
        code: 'tls',
        found: 'Redis closes the connection after the TLS handshake',
        remedy:
          'if it wants a certificate of this client, set redis.tls_cert_file and redis.tls_key_file to one that is signed by an authority which Redis knows',
      }
    : {
        code: 'tls',
        found: 'the connection is closed before Redis answers',
        remedy: 'if the port speaks TLS, use rediss:// instead of redis:// (redis.tls: true)',
      };
}

/** Watches one connection for what keeps it from being ready. */
export class ConnectionTrouble {
  readonly #redis: Redis | Cluster;
  readonly #changed: () => void;
  readonly #listeners: readonly (readonly [event: string, listener: (error: Error) => void])[];
  #opened = false;
  /** The connection's last error since it was ready. */
  lastError: Error | null = null;
  /** What an operator can do; null while the connection is ready, or when nothing of the kind is known. */
  problem: RedisProblem | null = null;

  /** @param changed called after each event that says something about the connection */
  constructor(redis: Redis | Cluster, changed: () => void = () => undefined) {
    this.#redis = redis;
    this.#changed = changed;
    const failed = (error: Error): void => this.#failed(error);
    this.#listeners = [
      ['error', failed],
      ['node error', failed],
      ['connect', () => (this.#opened = true)],
      ['close', () => this.#closed()],
      ['ready', () => this.#ready()],
    ];
    for (const [event, listener] of this.#listeners) redis.on(event, listener);
  }

  end(): void {
    for (const [event, listener] of this.#listeners) this.#redis.off(event, listener);
  }

  get #tls(): boolean {
    const options = this.#redis instanceof Cluster ? this.#redis.options.redisOptions : this.#redis.options;
    return options?.tls !== undefined;
  }

  #failed(error: Error): void {
    this.#opened = false;
    // For a Cluster of which no node can be reached, the error of its last node says why.
    this.lastError = 'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : error;
    this.problem = connectionProblem(this.lastError, this.#tls) ?? this.problem;
    this.#changed();
  }

  #closed(): void {
    if (!this.#opened) return;
    this.#opened = false;
    this.problem = closedProblem(this.#tls);
    this.#changed();
  }

  #ready(): void {
    this.#opened = false;
    this.lastError = null;
    this.problem = null;
    this.#changed();
  }
}
