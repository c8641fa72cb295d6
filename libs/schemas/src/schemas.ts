import { type Evaluate, instantiate } from './compile/instantiate.ts';
import { isShort, type Program } from './compile/program.ts';
import { type Kept, SharedCache } from './shared-cache.ts';
import type { Found, SchemaDocument, SchemaSource } from './sources/source.ts';
import { NO_SOURCE } from './sources/sources.ts';
import type { JobOutcome } from './threads/job-thread.ts';
import { type Evaluated, evaluated } from './threads/jobs.ts';
import { type NumberedProgram, SchemaThreads } from './threads/schema-threads.ts';

/**
 * What is known of an event's data.
 *
 * - `absent`: no source has its schema.
 * - `unusable`: there is a schema, or something in its place, that cannot be used, at least not for this data.
 * - `away`: a source, or this machine, was not able to say in time.
 */
export type Verdict = Evaluated | { readonly kind: 'absent' | 'unusable' | 'away'; readonly why: string };

export interface SchemaPorts {
  readonly nowMs: () => number;
  readonly source: SchemaSource;
  /** An evaluation, or a compilation, was left to a thread. */
  readonly threaded: (work: 'compile' | 'evaluate', outcome: JobOutcome<unknown>['kind']) => void;
}

/** What the events of one message have together. */
export interface Allowance {
  /** How long their evaluations may hold up this process; then they go to the thread. Each one takes from it. */
  inlineMs: number;
  /** When nobody waits for verdicts any more, by the clock of `performance`. */
  readonly untilMs: number;
}

/** @param untilMs when nobody waits for verdicts any more, by the clock of `performance` */
export function newAllowance(untilMs = Infinity): Allowance {
  return { inlineMs: INLINE_MS_MAX, untilMs };
}

export interface SchemaBounds {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** Of compiled schemas. Documents have a quarter of it. */
export const SCHEMA_BOUNDS: SchemaBounds = { entriesMax: 10_000, bytesMax: 64 * 1024 * 1024 };

/** A batch of 1,000 ordinary events takes some milliseconds. */
const INLINE_MS_MAX = 20;
/** What may change is fetched again so often. */
const LIFE_MS = 5 * 60_000;
const FAILURE_MS = 30_000;
/** A document that was fetched within this time serves other schemas too. */
const SHARED_MS = 60_000;
const DOCUMENTS_MAX = 50;
const DOCUMENTS_BYTES_MAX = 1024 * 1024;
const TOO_MANY = { kind: 'unusable', why: 'it refers to too many others' } as const;
const FAILURE_BYTES = 500;
/** A longer URI is no schema's: what is kept for it is found by it. */
const URI_CHARACTERS_MAX = 4096;
const BYTES_OF_CHARACTER = 2;
/** What V8 and RE2 make of a program, found by measuring: see schemas.test.ts. */
const BYTES_OF_ENTRY = 6_000;
const BYTES_OF_CODE_CHARACTER = 3;
const BYTES_OF_PATTERN = 24_000;

interface Usable extends NumberedProgram {
  readonly kind: 'usable';
  readonly evaluate: Evaluate | null;
  readonly isFromDirectory: boolean;
}

type Entry = Usable | Exclude<Found, { kind: 'document' }>;

interface Fetched {
  readonly found: Found;
  readonly atMs: number;
  /** A program came of it: what a server sent in place of a schema is not kept as one that never changes. */
  proven: boolean;
}

/** Finds, compiles and evaluates schemas. */
export class Schemas {
  readonly #ports: SchemaPorts;
  readonly #threads: SchemaThreads;
  readonly #compiled: SharedCache<Entry>;
  readonly #documents: SharedCache<Fetched>;

  /** @param threads are closed with it */
  constructor(ports: SchemaPorts, bounds: SchemaBounds = SCHEMA_BOUNDS, threads = new SchemaThreads()) {
    this.#ports = ports;
    this.#threads = threads;
    const { nowMs } = ports;
    this.#compiled = new SharedCache<Entry>({ ...bounds, nowMs, load: (uri, before) => this.#loadOrFail(uri, before) });
    this.#documents = new SharedCache<Fetched>({
      entriesMax: bounds.entriesMax,
      bytesMax: bounds.bytesMax / 4,
      nowMs,
      load: (uri) => this.#fetch(uri),
    });
  }

  get counts(): SharedCache<Entry>['counts'] {
    return this.#compiled.counts;
  }

  /**
   * Judges data by a schema: at once, if the schema is known and its evaluation is short whatever the data contains. Never
   * rejects.
   * @param uri the schema's, as the event has it
   * @param data text of JSON
   */
  check(uri: string, data: string, allowance = newAllowance()): Verdict | Promise<Verdict> {
    const entry = this.#compiled.get(uri);
    if (entry !== undefined) return this.#judge(entry, data, allowance);
    const document = documentUri(uri);
    if (document === null || !this.#ports.source.isFor(document)) return NO_SOURCE;
    return this.#compiled.load(uri).then((loaded) => this.#judge(loaded, data, allowance));
  }

  /** Files of directories have changed: also what was not found may be there now. */
  directoriesChanged(): void {
    this.#documents.drop(({ found }) => found.kind !== 'document' || found.document.keeps === 'until_told');
    this.#compiled.drop((entry) => entry.kind !== 'usable' || entry.isFromDirectory);
  }

  close(): Promise<void> {
    return this.#threads.close();
  }

  #judge(entry: Entry, data: string, allowance: Allowance): Verdict | Promise<Verdict> {
    if (entry.kind !== 'usable') return entry;
    const { evaluate, program } = entry;
    if (evaluate === null || allowance.inlineMs <= 0 || !isShort(program.cost, data.length)) {
      return this.#judgeInThread(entry, data, allowance);
    }
    const sinceMs = performance.now();
    const verdict = evaluated(() => evaluate(JSON.parse(data)));
    allowance.inlineMs -= performance.now() - sinceMs;
    return verdict;
  }

  async #judgeInThread(program: NumberedProgram, data: string, { untilMs }: Allowance): Promise<Verdict> {
    const outcome = await this.#threads.evaluate(program, data, untilMs);
    this.#ports.threaded('evaluate', outcome.kind);
    switch (outcome.kind) {
      case 'done':
        return outcome.answer;
      case 'overrun':
        return { kind: 'unusable', why: 'it takes too long for this data' };
      case 'late':
        return { kind: 'away', why: 'this instance is too busy to evaluate it' };
    }
  }

  async #loadOrFail(uri: string, before: Entry | undefined): Promise<Kept<Entry>> {
    try {
      return await this.#load(uri, before);
    } catch (error) {
      return failure(uri, { kind: 'away', why: `loading it failed: ${String(error).slice(0, 100)}` }, before);
    }
  }

  async #load(uri: string, before: Entry | undefined): Promise<Kept<Entry>> {
    const documents: (SchemaDocument & { readonly fetched: Fetched })[] = [];
    const name = documentUri(uri);
    let needs = name === null ? [] : [name];
    let bytes = 0;
    while (needs.length > 0) {
      if (documents.length + needs.length > DOCUMENTS_MAX) return failure(uri, TOO_MANY, before);
      const all = await Promise.all(needs.map(async (need) => ({ need, fetched: await this.#document(need) })));
      for (const { need, fetched } of all) {
        const { found } = fetched;
        if (found.kind !== 'document') {
          const why = documents.length === 0 ? found.why : `it refers to ${need.slice(0, 100)}: ${found.why}`;
          // A reference that leads to nothing is the schema's fault.
          const kind = documents.length > 0 && found.kind === 'absent' ? 'unusable' : found.kind;
          return failure(uri, { ...found, kind, why }, before);
        }
        documents.push({ ...found.document, uri: need, fetched });
        bytes += found.document.text.length;
      }
      if (bytes > DOCUMENTS_BYTES_MAX) return failure(uri, TOO_MANY, before);
      const fragment = uri.includes('#') ? uri.slice(uri.indexOf('#')) : '';
      const outcome = await this.#threads.compile({
        uri: `${name ?? ''}${fragment}`,
        documents: documents.map(({ uri: its, text, references }) => ({ uri: its, text, references })),
      });
      this.#ports.threaded('compile', outcome.kind);
      if (outcome.kind === 'overrun') {
        // A version that can be used stays in use: on a busy machine, its renewal may take too long.
        const kind = before?.kind === 'usable' ? 'away' : 'unusable';
        return failure(uri, { kind, why: 'it takes too long to compile' }, before);
      }
      if (outcome.kind === 'late')
        return failure(uri, { kind: 'away', why: 'this instance is too busy to compile it', isBusy: true }, before);
      const { answer } = outcome;
      if (answer.kind === 'unusable') return failure(uri, answer, before);
      if (answer.kind === 'program') return this.#usable(uri, answer.program, documents);
      needs = [...answer.uris];
    }
    return failure(uri, NO_SOURCE, before);
  }

  #usable(
    uri: string,
    program: Program,
    documents: readonly (SchemaDocument & { readonly fetched: Fetched })[],
  ): Kept<Entry> {
    const isShortEver = isShort(program.cost, 1);
    for (const { fetched } of documents) fetched.proven = true;
    const nowMs = this.#ports.nowMs();
    const ages = documents.map(({ keeps, fetched }) => (keeps === 'unknown' ? nowMs - fetched.atMs : -Infinity));
    const value: Usable = {
      kind: 'usable',
      id: this.#threads.newId(),
      program,
      evaluate: isShortEver ? instantiate(program) : null,
      isFromDirectory: documents.some(({ keeps }) => keeps === 'until_told'),
    };
    const lifeMs = Math.max(0, LIFE_MS - Math.max(...ages));
    return { value, lifeMs, renewed: true, bytes: bytesOf(uri, value) };
  }

  #document(uri: string): Promise<Fetched> | Fetched {
    const kept = this.#documents.get(uri);
    if (kept === undefined) return this.#documents.load(uri);
    return this.#isFresh(kept) ? kept : this.#documents.load(uri);
  }

  #isFresh({ found, atMs, proven }: Fetched): boolean {
    const ageMs = this.#ports.nowMs() - atMs;
    switch (found.kind === 'document' ? found.document.keeps : 'until_told') {
      case 'until_told':
        return true;
      case 'forever':
        return proven || ageMs < FAILURE_MS;
      case 'unknown':
        return ageMs < SHARED_MS;
    }
  }

  async #fetch(uri: string): Promise<Kept<Fetched>> {
    const { source, nowMs } = this.#ports;
    const atMs = nowMs();
    const isKnown = uri.length <= URI_CHARACTERS_MAX && source.isFor(uri);
    const found = isKnown ? await source.find(uri) : NO_SOURCE;
    const value: Fetched = { found, atMs, proven: false };
    // The schema that could not be made of it is kept as a failure.
    if (found.kind !== 'document') return { value, lifeMs: 0, renewed: false, bytes: 0 };
    const lifeMs = found.document.keeps === 'unknown' ? LIFE_MS : Infinity;
    const characters = uri.length + found.document.text.length;
    return { value, lifeMs, renewed: false, bytes: FAILURE_BYTES + characters * BYTES_OF_CHARACTER };
  }
}

/** While its source is away, a schema that was known before stays known. */
function failure(uri: string, entry: Exclude<Entry, Usable>, before: Entry | undefined): Kept<Entry> {
  const value = entry.kind === 'away' && before?.kind === 'usable' ? before : entry;
  const lifeMs = value.kind !== 'usable' && value.isBusy === true ? 0 : FAILURE_MS;
  return { value, lifeMs, renewed: false, bytes: bytesOf(uri, value) };
}

function bytesOf(uri: string, entry: Entry): number {
  const own = FAILURE_BYTES + uri.length * BYTES_OF_CHARACTER;
  if (entry.kind !== 'usable') return own;
  const { code, patterns } = entry.program;
  return own + BYTES_OF_ENTRY + code.length * BYTES_OF_CODE_CHARACTER + patterns.length * BYTES_OF_PATTERN;
}

/** The URI of a schema's document, as it is compared with others; null: it is none. */
function documentUri(uri: string): string | null {
  if (uri.length > URI_CHARACTERS_MAX) return null;
  const at = uri.indexOf('#');
  return URL.parse(at < 0 ? uri : uri.slice(0, at))?.href ?? null;
}
