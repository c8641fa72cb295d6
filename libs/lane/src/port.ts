/** A Lua script, with the digest by which Redis knows it. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha1: string;
}

export type Argument = string | number | Buffer;

/**
 * What a lane needs of a Redis connection. A call either answers, or throws `RedisRefused` (Redis answered with an error, and
 * changed nothing) or `RedisInDoubt` (no answer: Redis may have executed the call, or may execute it later).
 */
export interface RedisPort {
  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown>;
  /** `key`: for a command without keys, the key whose node (and connection) has to execute it in a Redis Cluster. */
  call(command: string, args: readonly Argument[], key?: string): Promise<unknown>;
  /** As `call`, with bulk strings as Buffers, so that the bytes of events are never decoded. */
  callBuffer(command: string, args: readonly Argument[]): Promise<unknown>;
  /** Absent: which replica becomes the next master is not known, or is settled by Redis itself (a Cluster). */
  readonly inSync?: InSync;
}

/** The replicas that may become the next master: a write is durable only when all of them have it (docs/adr/0015). */
export interface InSync {
  /** How many replicas to wait for; not more than there are. */
  readonly count: number;
  /** The number that acknowledged a write does not say which ones did: `before` is needed too. */
  readonly exact: boolean;
  /** Whether all have the write that was waited for. Call it in the turn of the last answer. */
  allHave(waited: WaitedFor): Promise<boolean>;
}

export interface WaitedFor {
  readonly acknowledgedBy: number;
  /** INFO replication, sent after the write's answer and before WAIT. */
  readonly before: string | null;
  /** INFO replication, sent after WAIT. */
  readonly after: string;
}

/** Redis failed, and may work again: the caller retries. */
export abstract class RedisFailure extends Error {
  abstract readonly code: string;
  readonly retryable = true;
}

/** The command changed nothing: Redis answered with an error, or there was no connection to send it on. */
export class RedisRefused extends RedisFailure {
  /** The error's first word: OOM, READONLY, LOADING, NOGROUP, …; AWAY if the command was never sent. */
  readonly code: string;
  constructor(action: string, reply: string, options?: ErrorOptions) {
    super(`${action}: Redis refused: ${reply}`, options);
    this.name = 'RedisRefused';
    this.code = reply.split(' ', 1)[0] ?? 'ERR';
  }
}

/** No answer: the connection was cut or the deadline passed. Redis may have executed the command, or may execute it later. */
export class RedisInDoubt extends RedisFailure {
  readonly code = 'in_doubt';
  constructor(action: string, options?: ErrorOptions) {
    super(`${action}: no answer from Redis`, options);
    this.name = 'RedisInDoubt';
  }
}

/** An answer that no release of this software gives. An invariant is broken, so the caller does not retry in silence. */
export class UnexpectedAnswer extends Error {
  readonly code = 'unexpected_answer';
  readonly retryable = false;
  constructor(action: string, answer: unknown) {
    super(`${action}: unexpected answer ${JSON.stringify(answer)}`);
    this.name = 'UnexpectedAnswer';
  }
}
