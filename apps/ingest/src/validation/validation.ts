import type { Judged } from '@sink/schemas';

/** What the route of events asks. Only open-validation.ts loads what answers: nothing of it is there while it is off. */
export interface Validation {
  /** False: `check` need not be asked. */
  readonly isOn: boolean;
  /**
   * Judges all events of a message: at once, if every schema is at hand and its evaluation short. Never rejects.
   * @param leftMs how long the request may wait for it
   */
  check(lines: readonly string[], leftMs: number): Judged | Promise<Judged>;
}
