import { basename, dirname } from 'node:path';
import { type FileStatus, type FileSystem, type OpenFile, SpoolDirectory } from '@sink/spool';
import type { Random } from '../random.ts';
import { Jobs } from './jobs.ts';
import type { Actor, Scheduler } from './scheduler.ts';

interface FileNode {
  readonly kind: 'file';
  bytes: Buffer;
  /** The bytes that an fsync made durable. */
  durable: Buffer;
}

interface DirectoryNode {
  readonly kind: 'directory';
  names: Map<string, TreeNode>;
  /** The names that an fsync of the directory made durable. */
  durable: Map<string, TreeNode>;
}

type TreeNode = FileNode | DirectoryNode;

const SPOOL = '/data/spool';
const MARKED = '.spilled';

/**
 * The disk of a machine, and the spool directory on it. A killed process leaves everything as it is. When the machine loses
 * power, what no fsync made durable may be gone.
 */
export class ModelDisk {
  readonly spoolId: string;
  /** Uploads of what was spilled here. */
  readonly spilledJobs = new Jobs();
  /** There is no room for further bytes, files and folders. */
  full = false;
  /** How many files were marked, ever. */
  marks = 0;
  readonly #damages: () => boolean;
  readonly #root: DirectoryNode = newDirectory();

  /** @param damages whether the disk stores other bytes than those that are being written */
  constructor(spoolId: string, damages: () => boolean) {
    this.spoolId = spoolId;
    this.#damages = damages;
    this.#makeDirectory(SPOOL);
    this.#directory(SPOOL).names.set('spool-id', {
      kind: 'file',
      bytes: Buffer.from(spoolId),
      durable: Buffer.from(''),
    });
    sync(this.#root);
  }

  /** Segment files, in whatever state. */
  get files(): number {
    return this.#folders.reduce((sum, folder) => sum + folder.names.size, 0);
  }

  /** What an operator may clear at any time: everything that is not the only copy. */
  clearSuperfluous(): void {
    for (const folder of this.#folders) {
      for (const name of folder.names.keys()) if (!name.endsWith(MARKED)) folder.names.delete(name);
    }
  }

  /** Each directory and each file is as it was at its last fsync, or as it was at the end. */
  losePower(random: Random): void {
    const lose = (node: TreeNode): void => {
      const kept = random.chance(0.3);
      if (node.kind === 'file') {
        if (!kept) node.bytes = node.durable;
        node.durable = node.bytes;
        return;
      }
      if (!kept) node.names = new Map(node.durable);
      node.durable = new Map(node.names);
      for (const child of node.names.values()) lose(child);
    };
    lose(this.#root);
  }

  /** The shipped spool directory, each of whose calls to this disk the scheduler orders. */
  spool(scheduler: Scheduler, actor: Actor, newId: () => string): SpoolDirectory {
    return new SpoolDirectory(SPOOL, this.#fileSystem(scheduler, actor), newId);
  }

  get #folders(): DirectoryNode[] {
    return [...this.#directory(SPOOL).names.values()].filter((node) => node.kind === 'directory');
  }

  #fileSystem(scheduler: Scheduler, actor: Actor): FileSystem {
    const call = <T>(name: string, path: string, execute: () => T): Promise<T> =>
      scheduler.disk(actor, `${name} ${basename(path)}`, execute);
    return {
      mkdir: (path) => call('mkdir', path, () => this.#makeDirectory(path)),
      open: (path, purpose) =>
        call(purpose === 'read' ? 'open' : 'create', path, () => {
          const file = purpose === 'read' ? this.#file(path) : this.#create(path);
          return this.#openFile(file, path, (name, execute) => call(name, path, execute));
        }),
      syncDirectory: (path) =>
        call('fsync', path, () => {
          const directory = this.#directory(path);
          directory.durable = new Map(directory.names);
        }),
      readdir: (path) =>
        call('readdir', path, () =>
          [...this.#directory(path).names].map(([name, { kind }]) => ({ name, isDirectory: kind === 'directory' })),
        ),
      stat: (path) => call('stat', path, () => statusOf(this.#node(path))),
      link: (path, newPath) =>
        call('link', newPath, () => {
          const names = this.#directory(dirname(newPath)).names;
          if (names.has(basename(newPath))) throw systemError('EEXIST', newPath);
          names.set(basename(newPath), this.#node(path));
        }),
      rename: (oldPath, newPath) =>
        call('rename', oldPath, () => {
          const node = this.#node(oldPath);
          if (newPath.endsWith(MARKED)) this.marks += 1;
          this.#directory(dirname(newPath)).names.set(basename(newPath), node);
          this.#directory(dirname(oldPath)).names.delete(basename(oldPath));
        }),
      remove: (path) =>
        call('remove', path, () => {
          if (this.#find(path) !== undefined) this.#directory(dirname(path)).names.delete(basename(path));
        }),
      rmdir: (path) =>
        call('rmdir', path, () => {
          if (this.#directory(path).names.size > 0) throw systemError('ENOTEMPTY', path);
          this.#directory(dirname(path)).names.delete(basename(path));
        }),
      disk: (path) => call('statfs', path, () => ({ freeBytes: 1e12, totalBytes: 1e12 })),
    };
  }

  #makeDirectory(path: string): void {
    let directory = this.#root;
    for (const name of namesIn(path)) {
      const found = directory.names.get(name);
      if (found === undefined) this.#needRoom(path);
      const next = found ?? newDirectory();
      if (next.kind === 'file') throw systemError('ENOTDIR', path);
      directory.names.set(name, next);
      directory = next;
    }
  }

  #create(path: string): FileNode {
    const { names } = this.#directory(dirname(path));
    if (names.has(basename(path))) throw systemError('EEXIST', path);
    this.#needRoom(path);
    const file: FileNode = { kind: 'file', bytes: Buffer.alloc(0), durable: Buffer.alloc(0) };
    names.set(basename(path), file);
    return file;
  }

  #find(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.#root;
    for (const name of namesIn(path)) node = node?.kind === 'directory' ? node.names.get(name) : undefined;
    return node;
  }

  #node(path: string): TreeNode {
    const node = this.#find(path);
    if (node === undefined) throw systemError('ENOENT', path);
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#node(path);
    if (node.kind === 'directory') throw systemError('EISDIR', path);
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#node(path);
    if (node.kind === 'file') throw systemError('ENOTDIR', path);
    return node;
  }

  #openFile(file: FileNode, path: string, call: <T>(name: string, execute: () => T) => Promise<T>): OpenFile {
    return {
      read: (buffer, offset, length, position) =>
        call('read', () => ({ bytesRead: file.bytes.copy(buffer, offset, position, position + length) })),
      writev: (buffers) =>
        call('write', () => {
          this.#needRoom(path);
          const written = Buffer.concat(buffers);
          const at = written.length >> 1;
          if (this.#damages()) written.writeUInt8(written.readUInt8(at) ^ 1, at);
          file.bytes = Buffer.concat([file.bytes, written]);
          return { bytesWritten: written.length };
        }),
      stat: () => call('fstat', () => ({ size: file.bytes.length })),
      sync: () =>
        call('fsync', () => {
          file.durable = file.bytes;
        }),
      close: () => call('close', () => undefined),
    };
  }

  #needRoom(path: string): void {
    if (this.full) throw systemError('ENOSPC', path);
  }
}

function newDirectory(): DirectoryNode {
  return { kind: 'directory', names: new Map(), durable: new Map() };
}

function sync(node: TreeNode): void {
  if (node.kind === 'file') {
    node.durable = node.bytes;
    return;
  }
  node.durable = new Map(node.names);
  for (const child of node.names.values()) sync(child);
}

function namesIn(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}

function statusOf(node: TreeNode): FileStatus {
  return { bytes: node.kind === 'file' ? node.bytes.length : 0, modifiedMs: 0 };
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
