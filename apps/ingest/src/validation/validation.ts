/** What the route of events asks. Only open-validation.ts loads what answers: nothing of it is there while it is off. */

/** An event whose data does not conform. */
export interface InvalidEvent {
  /** Its place in the message, from 0. */
  readonly index: number;
  /** One short line, without its place. */
  readonly message: string;
}

/** What became of the events of a request. `away`: nobody can say now, and that is not the producer's fault. */
export type Judged =
  | { readonly kind: 'conform' }
  | { readonly kind: 'invalid'; readonly events: readonly InvalidEvent[] }
  | { readonly kind: 'away'; readonly why: string };

export interface Validation {
  /** False: `check` need not be asked. */
  readonly isOn: boolean;
  /**
   * Judges all events of a message: at once, if every schema is at hand and its evaluation short. Never rejects.
   * @param leftMs how long the request may wait for it
   */
  check(lines: readonly string[], leftMs: number): Judged | Promise<Judged>;
}

export const CONFORM: Judged = { kind: 'conform' };
