import type { AwsCredentialIdentity } from '@aws-sdk/types';

/** Reads credentials anew. */
export type ReadCredentials<Properties> = (properties?: Properties) => Promise<AwsCredentialIdentity>;

/** No credentials could be got. The name is that of the cause. */
export class CredentialsUnavailable extends Error {
  constructor(cause: unknown) {
    const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
    super(`getting credentials: ${message.replace(/\s*\n\s*/g, ' ')}`, { cause });
    this.name = name;
  }
}

export interface CredentialsTimes {
  /** Credentials are read again at this age, whatever their expiry. */
  readonly rereadMs: number;
  /** Credentials that expire sooner are read again. */
  readonly earlyMs: number;
  /** The wait after a reading that failed, while the credentials at hand are still good. */
  readonly retryMs: number;
  /** The limit of one reading; the chain may ask instance metadata and STS. */
  readonly readMs: number;
}

const defaultTimes: CredentialsTimes = { rereadMs: 180_000, earlyMs: 300_000, retryMs: 10_000, readMs: 60_000 };

interface Held {
  readonly identity: AwsCredentialIdentity;
  readonly readAtMs: number;
  /** Whether the store refused them; then whether those that are read next may be others. */
  refused: false | 'once' | 'again';
}

/**
 * The credentials of a client, which are replaced outside while the sink runs. They are read again when the store
 * refuses them, before they expire, and every few minutes. Credentials that work are kept while reading fails.
 */
export class CredentialsSource<Properties> {
  readonly #readNew: ReadCredentials<Properties>;
  readonly #times: CredentialsTimes;
  #held: Held | null = null;
  #reading: Promise<AwsCredentialIdentity> | null = null;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  /** The credentials that the store refused last. */
  #refused: AwsCredentialIdentity | null = null;

  constructor(read: ReadCredentials<Properties>, times: Partial<CredentialsTimes> = {}) {
    this.#readNew = read;
    this.#times = { ...defaultTimes, ...times };
  }

  /**
   * What the SDK calls for each request.
   * @throws CredentialsUnavailable
   */
  readonly provide = async (properties?: Properties): Promise<AwsCredentialIdentity> => {
    const identity = await this.#current(properties);
    // Without an expiry the SDK would keep them for ever, and with a later one until shortly before it.
    return { ...identity, expiration: new Date(0) };
  };

  /**
   * The store refuses the credentials: the next request reads them again.
   * @returns whether others may be read; false if the same ones were read after the store had refused them
   */
  refused(): boolean {
    const held = this.#held;
    if (held === null) return false;
    if (held.refused === false) {
      const isKnown = this.#refused !== null && isSame(this.#refused, held.identity);
      held.refused = isKnown ? 'again' : 'once';
      this.#refused = held.identity;
    }
    return held.refused === 'once';
  }

  async #current(properties: Properties | undefined): Promise<AwsCredentialIdentity> {
    const held = this.#held;
    if (held === null || held.refused !== false) return this.#read(properties);
    const leftMs = (held.identity.expiration?.getTime() ?? Number.POSITIVE_INFINITY) - Date.now();
    const { rereadMs, earlyMs, retryMs } = this.#times;
    const nowMs = performance.now();
    if (leftMs > earlyMs && nowMs - held.readAtMs < rereadMs) return held.identity;
    if (leftMs > 0 && nowMs - this.#triedAtMs < retryMs) return held.identity;
    // An expiry is by the clock of this machine; if nothing better can be read, the store decides.
    const read = this.#read(properties).catch(() => held.identity);
    return leftMs > 0 ? held.identity : read;
  }

  #read(properties: Properties | undefined): Promise<AwsCredentialIdentity> {
    this.#triedAtMs = performance.now();
    this.#reading ??= this.#readWithin(properties).finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #readWithin(properties: Properties | undefined): Promise<AwsCredentialIdentity> {
    const { readMs } = this.#times;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(Object.assign(new Error(`no answer within ${readMs / 1000} s`), { code: 'ETIMEDOUT' })),
      readMs,
    );
    try {
      const identity = await Promise.race([this.#readNew(properties), late]);
      this.#held = { identity, readAtMs: performance.now(), refused: false };
      return identity;
    } catch (error) {
      throw new CredentialsUnavailable(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

function isSame(one: AwsCredentialIdentity, other: AwsCredentialIdentity): boolean {
  return one.accessKeyId === other.accessKeyId && one.sessionToken === other.sessionToken;
}
