import type { Attribute } from '../event-view.ts';

/** A case of the specification's test kit (cloudevents/spec, cesql/cesql_tck), with the names it has there. */
export interface TckCase {
  readonly name: string;
  readonly expression: string;
  readonly result?: Attribute;
  readonly error?: 'parse' | 'math' | 'cast' | 'missingAttribute' | 'missingFunction' | 'functionEvaluation';
  /** Whether `event` is all that the event has; else it is added to the attributes that are required. */
  readonly whole?: boolean;
  readonly event?: Readonly<Record<string, Attribute>>;
}

export interface TckFile {
  readonly file: string;
  readonly cases: readonly TckCase[];
}
