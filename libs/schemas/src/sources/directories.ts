import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
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
  readonly problem: (problem: { readonly err?: unknown; readonly problem: string } | null) => void;
}

/** A change takes effect within 5 s. */
const LOOK_EVERY_MS = 4_000;
const FILES_MAX = 20_000;

interface SchemaFile {
  readonly path: string;
  /** Changes when the file does: also when a symbolic link of Kubernetes leads to another one. */
  readonly mark: string;
  readonly id: string | null;
}

/**
 * Schemas in files that end with `.json`. A file answers for its `$id`, and for its path below the directory's `uri`. The
 * directories are looked through again and again, because a ConfigMap changes by a symbolic link and a network disk by no
 * event at all.
 */
export class SchemaDirectories implements SchemaSource {
  readonly #directories: readonly DirectorySettings[];
  readonly #ports: DirectoryPorts;
  #files = new Map<string, SchemaFile>();
  #byUri = new Map<string, string>();
  #unreadable: string | null = null;

  constructor(directories: readonly DirectorySettings[], ports: DirectoryPorts) {
    this.#directories = directories;
    this.#ports = ports;
  }

  /** While a directory cannot be read, nobody knows what is not in it: then it is for all that no other source is for. */
  isFor(uri: string): boolean {
    return this.#byUri.has(uri) || this.#unreadable !== null;
  }

  async find(uri: string): Promise<Found> {
    const path = this.#byUri.get(uri);
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
    const files = new Map<string, SchemaFile>();
    const byUri = new Map<string, string>();
    let problem: { readonly err?: unknown; readonly problem: string } | null = null;
    this.#unreadable = null;
    for (const { path, uri } of this.#directories) {
      try {
        for (const name of await namesIn(path)) {
          const file = await this.#lookAt(join(path, name));
          if (file === null) continue;
          if (files.size >= FILES_MAX) throw new Error(`more than ${FILES_MAX} files`);
          files.set(file.path, file);
          if (uri !== undefined) first(byUri, uri + name.split('/').map(encodeURIComponent).join('/'), file.path);
          if (file.id !== null) first(byUri, file.id, file.path);
        }
      } catch (err) {
        problem = { err, problem: `reading the schemas in ${path} fails` };
        this.#unreadable = 'a directory of schemas cannot be read';
      }
    }
    this.#ports.problem(problem);
    const isSame =
      files.size === this.#files.size && [...files].every(([path, file]) => this.#files.get(path)?.mark === file.mark);
    this.#files = files;
    this.#byUri = byUri;
    if (!isSame) this.#ports.changed();
  }

  async #lookAt(path: string): Promise<SchemaFile | null> {
    const found = await stat(path);
    if (!found.isFile() || found.size > DOCUMENT_BYTES_MAX) return null;
    const mark = `${found.dev}-${found.ino}-${found.size}-${found.mtimeMs}-${found.ctimeMs}`;
    const known = this.#files.get(path);
    if (known?.mark === mark) return known;
    return { path, mark, id: idOf(await readFile(path, 'utf8')) };
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

function first(byUri: Map<string, string>, uri: string, path: string): void {
  if (!byUri.has(uri)) byUri.set(uri, path);
}

/** Paths of `.json` files with slashes, sorted. Names that begin with a dot are left out, as `..data` of Kubernetes. */
async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  const waiting = [''];
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    for (const entry of await readdir(join(directory, below), { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) waiting.push(name);
      else if (name.endsWith('.json')) names.push(name);
      if (names.length > FILES_MAX) return names;
    }
  }
  return names.sort();
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
