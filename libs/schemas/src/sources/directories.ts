import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '@sink/runtime';
import { DOCUMENT_BYTES_MAX, type Found, type SchemaSource } from './source.ts';

export interface DirectorySettings {
  readonly path: string;
  /** What paths below it stand for; absent: files are known by their `$id` only. */
  readonly uri?: string;
}

export interface DirectoryPorts {
  readonly clock: Pick<Clock, 'sleep'>;
  /** A file has come, gone, or changed. */
  readonly changed: () => void;
  /** A directory cannot be read, or has too many files. */
  readonly problem: (problem: Problem | null) => void;
}

interface Problem {
  readonly err: unknown;
  readonly problem: string;
}

/** A change takes effect within 5 s. */
const LOOK_EVERY_MS = 4_000;
const FILES_MAX = 20_000;

interface SchemaFile {
  readonly path: string;
  /** Changes when the file does: also when a symbolic link of Kubernetes leads to another one. */
  readonly mark: string;
  /** What it answers for, as URIs are compared. */
  readonly uris: readonly string[];
}

/**
 * Schemas in files that end with `.json`. A file answers for its `$id`, and for its path below the directory's `uri`. The
 * directories are looked through again and again, because a ConfigMap changes by a symbolic link and a network disk by no
 * event at all.
 */
export class SchemaDirectories implements SchemaSource {
  readonly #directories: readonly DirectorySettings[];
  readonly #ports: DirectoryPorts;
  /** By directory. */
  #files: readonly (readonly SchemaFile[])[] = [];
  #byUri = new Map<string, string>();
  #unreadable: string | null = null;

  constructor(directories: readonly DirectorySettings[], ports: DirectoryPorts) {
    this.#directories = directories;
    this.#ports = ports;
  }

  /** While a directory cannot be read, nobody knows what is not in it: then it is for all that no other source is for. */
  isFor(uri: string): boolean {
    return this.#byUri.has(compared(uri)) || this.#unreadable !== null;
  }

  async find(uri: string): Promise<Found> {
    const path = this.#byUri.get(compared(uri));
    if (path !== undefined) return this.#read(path, uri);
    return { kind: 'away', why: this.#unreadable ?? 'its file has just gone' };
  }

  /** Looks through the directories: once before anything is asked, then until the signal ends it. */
  async watchUntil(ended: AbortSignal): Promise<void> {
    for (;;) {
      await this.#ports.clock.sleep(LOOK_EVERY_MS, ended);
      if (ended.aborted) return;
      await this.look();
    }
  }

  async look(): Promise<void> {
    const found: (readonly SchemaFile[])[] = [];
    let problem: Problem | null = null;
    let count = 0;
    for (const [index, directory] of this.#directories.entries()) {
      const before = this.#files[index] ?? [];
      const looked = await lookIn(directory, before, FILES_MAX - count);
      problem = looked.problem ?? problem;
      found.push(looked.files);
      count += looked.files.length;
    }
    const byUri = new Map<string, string>();
    for (const { uris, path } of found.flat()) for (const uri of uris) if (!byUri.has(uri)) byUri.set(uri, path);
    const isSame = isDeepStrictEqual(found, this.#files);
    this.#files = found;
    this.#byUri = byUri;
    this.#unreadable = problem === null ? null : 'a directory of schemas cannot be read';
    this.#ports.problem(problem);
    if (!isSame) this.#ports.changed();
  }

  async #read(path: string, uri: string): Promise<Found> {
    try {
      const text = await readFile(path, 'utf8');
      return { kind: 'document', document: { uri, text, keeps: 'until_told', references: {} } };
    } catch {
      return { kind: 'away', why: 'its file cannot be read' };
    }
  }
}

/** What is in a directory; what cannot be read stays as it was. */
async function lookIn(
  { path, uri }: DirectorySettings,
  before: readonly SchemaFile[],
  filesMax: number,
): Promise<{ readonly files: readonly SchemaFile[]; readonly problem: Problem | null }> {
  const known = new Map(before.map((file) => [file.path, file]));
  const files: SchemaFile[] = [];
  let problem: Problem | null = null;
  try {
    for (const name of await namesIn(path)) {
      const inside = join(path, name);
      const old = known.get(inside);
      try {
        const file = await lookAt(inside, old, uri === undefined ? null : uriOf(uri, name));
        if (file !== null && files.length >= filesMax) throw new Error(`more than ${FILES_MAX} files`);
        if (file !== null) files.push(file);
      } catch (err) {
        // Files come and go while they are looked at.
        if (isMissing(err)) continue;
        problem = { err, problem: `reading the schemas in ${path} fails` };
        if (files.length >= filesMax) break;
        if (old !== undefined) files.push(old);
      }
    }
    return { files, problem };
  } catch (err) {
    return { files: before, problem: { err, problem: `reading the schemas in ${path} fails` } };
  }
}

/** Null: it is no schema. */
async function lookAt(path: string, known: SchemaFile | undefined, uri: string | null): Promise<SchemaFile | null> {
  const found = await stat(path);
  if (!found.isFile() || found.size > DOCUMENT_BYTES_MAX) return null;
  const mark = `${found.dev}-${found.ino}-${found.size}-${found.mtimeMs}-${found.ctimeMs}`;
  if (known?.mark === mark) return known;
  const id = idOf(await readFile(path, 'utf8'));
  return { path, mark, uris: [uri, id].filter((each) => each !== null).map(compared) };
}

function uriOf(directory: string, name: string): string {
  return directory + name.split('/').map(encodeURIComponent).join('/');
}

/** A URI in one of its spellings: what need not be encoded is not. */
function compared(uri: string): string {
  const href = URL.parse(uri)?.href ?? uri;
  return href.replace(/%[\da-f]{2}/gi, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return /[!-~]/.test(character) && !'%/?#'.includes(character) ? character : code.toUpperCase();
  });
}

function isMissing(err: unknown): boolean {
  return err instanceof Error && 'code' in err && err.code === 'ENOENT';
}

/** Paths of `.json` files with slashes, sorted. Names that begin with a dot are left out, as `..data` of Kubernetes. */
async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  const waiting = [''];
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    for (const entry of await entriesIn(directory, below)) {
      if (entry.name.startsWith('.')) continue;
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) waiting.push(name);
      else if (name.endsWith('.json')) names.push(name);
      if (names.length > FILES_MAX) return names;
    }
  }
  return names.sort();
}

/** Of a directory below that has just gone: none. */
async function entriesIn(directory: string, below: string): Promise<Dirent[]> {
  try {
    return await readdir(join(directory, below), { withFileTypes: true });
  } catch (err) {
    if (below !== '' && isMissing(err)) return [];
    throw err;
  }
}

/** The `$id` without an empty fragment; null: it has none that is absolute. */
function idOf(text: string): string | null {
  try {
    const { $id } = Object(JSON.parse(text)) as { readonly $id?: unknown };
    if (typeof $id !== 'string' || !URL.canParse($id)) return null;
    return new URL($id).href.replace(/#$/, '');
  } catch {
    return null;
  }
}
