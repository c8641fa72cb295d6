import type { IncomingMessage } from 'node:http';

/** What a credential says of a request. */
export type Verdict =
  | { readonly kind: 'known' }
  /** It carries no such credential, or a wrong one: 401 unless another producer matches. */
  | { readonly kind: 'none' }
  /** It is given twice, so nobody can say which one counts: 401. `what` names the header or parameter. */
  | { readonly kind: 'twice'; readonly what: string }
  /** It is right, and not enough, as a token of the right issuer with another subject: 403 unless another matches. */
  | { readonly kind: 'forbidden'; readonly message: string }
  /** It cannot be judged, which is our fault: 503. */
  | { readonly kind: 'unavailable'; readonly message: string }
  /** It is judged by the body, as it was received, before its Content-Encoding is removed. */
  | { readonly kind: 'signed'; readonly verify: (body: Buffer) => boolean };

/** How a producer is recognized. */
export interface Credential {
  /** Judges the head of a request. Never throws. A promise only where it has to wait for something. */
  check(req: IncomingMessage): Verdict | Promise<Verdict>;
  /** The scheme that a 401 asks for in WWW-Authenticate. */
  readonly challenge: string;
  /** What is wrong with it now, in one line that an operator reads; null or absent: nothing. */
  readonly trouble?: string | null;
  /** Lets go of files and timers, when the configuration no longer has it. */
  close?(): void;
}

export const KNOWN: Verdict = { kind: 'known' };
export const NONE: Verdict = { kind: 'none' };
