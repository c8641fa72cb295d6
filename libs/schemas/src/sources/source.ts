/** A schema as its source has it. */
export interface SchemaDocument {
  readonly uri: string;
  readonly text: string;
  /** How long it stays what it is: for ever, until its source says otherwise, or nobody knows. */
  readonly keeps: 'forever' | 'until_told' | 'unknown';
  /** What a name in a `$ref` means, if a registry says so: the URI of another document. */
  readonly references: Readonly<Record<string, string>>;
}

/**
 * What became of the search for a document.
 *
 * - `absent`: there is none.
 * - `unusable`: there is something, and it is no JSON Schema that could be used.
 * - `away`: its source cannot be asked now. That is never the producer's fault.
 */
export type Found =
  | { readonly kind: 'document'; readonly document: SchemaDocument }
  | {
      readonly kind: 'absent' | 'unusable' | 'away';
      readonly why: string;
      /** It was not asked for, because this process has too much to do: the next one may ask at once. */
      readonly isBusy?: true;
    };

/** A place that schemas come from. */
export interface SchemaSource {
  /** Whether it is for this source to answer. @param uri absolute, without a fragment */
  isFor(uri: string): boolean;
  /** @param uri one that it is for */
  find(uri: string): Promise<Found>;
}

/** Characters of a schema. A registry's answer may take as much again for its escapes. */
export const DOCUMENT_BYTES_MAX = 256 * 1024;

export const tooLarge = {
  kind: 'unusable',
  why: `it is larger than ${DOCUMENT_BYTES_MAX / 1024} KiB`,
} as const satisfies Found;
