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

export const CONFORM: Judged = { kind: 'conform' };

/** What became of an event: a closed set, because it is a metric label. */
export type ValidationResult = 'valid' | 'invalid' | 'no_schema' | 'no_json' | 'not_found' | 'unusable' | 'away';
