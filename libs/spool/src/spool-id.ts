import { dirname, join } from 'node:path';
import { type FileSystem, nullIfMissing } from './file-system.ts';
import { isName } from './paths.ts';
import { attempting, errnoOf, SpoolError } from './spool-error.ts';

const FILE_NAME = 'spool-id';
/** More than any id has; a longer file is not an id. */
const FILE_BYTES_MAX = 256;

/**
 * Reads the id of a spool directory, or makes the directory and its id.
 * @param newId the id if there is none yet
 * @throws SpoolError; `segment_damaged` if the file does not hold an id
 */
export async function readOrMakeSpoolId(files: FileSystem, directory: string, newId: () => string): Promise<string> {
  const path = join(directory, FILE_NAME);
  return attempting(`reading spool id ${path}`, async () => {
    await files.mkdir(directory);
    const id = (await read(files, path)) ?? (await make(files, directory, path, newId()));
    if (isName(id)) return id;
    throw new SpoolError('segment_damaged', `reading spool id ${path}`, `${JSON.stringify(id)} is no id of a spool`);
  });
}

async function read(files: FileSystem, path: string): Promise<string | null> {
  const file = await nullIfMissing(files.open(path, 'read'));
  if (file === null) return null;
  try {
    const buffer = Buffer.alloc(FILE_BYTES_MAX);
    const { bytesRead } = await file.read(buffer, 0, FILE_BYTES_MAX, 0);
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await file.close();
  }
}

/** When several processes make an id at the same time, all of them return the one that was stored first. */
async function make(files: FileSystem, directory: string, path: string, id: string): Promise<string> {
  const temporary = join(directory, `${FILE_NAME}-${id}`);
  try {
    const file = await files.open(temporary, 'create');
    try {
      await file.writev([Buffer.from(`${id}\n`)]);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(files, temporary, path);
  } finally {
    await files.remove(temporary);
  }
  await files.syncDirectory(directory);
  await files.syncDirectory(dirname(directory));
  return (await read(files, path)) ?? id;
}

async function place(files: FileSystem, temporary: string, path: string): Promise<void> {
  try {
    await files.link(temporary, path);
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (errno === 'EEXIST') return;
    // A file system without hard links.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errno)) throw error;
    await files.rename(temporary, path);
  }
}
