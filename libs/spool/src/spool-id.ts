import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from './directory.ts';
import { isName } from './paths.ts';
import { attempting, errnoOf, SpoolError } from './spool-error.ts';

const FILE_NAME = 'spool-id';

/**
 * The id of a spool directory: made once, at random, and the same for every process that sees the directory. Spilled
 * records name it, because only who sees the directory can upload what is in it.
 *
 * @param directory `<dataDir>/spool`; made if it is not there
 * @throws SpoolError; `segment_damaged` for an id file that is none
 */
export async function spoolIdOf(directory: string): Promise<string> {
  const path = join(directory, FILE_NAME);
  return attempting(`reading spool id ${path}`, async () => {
    await mkdir(directory, { recursive: true });
    const id = (await read(path)) ?? (await make(directory, path));
    if (isName(id)) return id;
    throw new SpoolError('segment_damaged', `reading spool id ${path}`, `${JSON.stringify(id)} is no id of a spool`);
  });
}

/**
 * The same, or null where the disk has no room for one just now: what is spilled needs it, the rest does not.
 * @throws SpoolError for what a person has to put right
 */
export async function spoolIdOrNull(directory: string): Promise<string | null> {
  try {
    return await spoolIdOf(directory);
  } catch (error) {
    if (error instanceof SpoolError && error.retryable) return null;
    throw error;
  }
}

async function read(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Of several that make one at the same time, one's id stands. */
async function make(directory: string, path: string): Promise<string> {
  const id = randomUUID();
  const temporary = join(directory, `${FILE_NAME}-${id}`);
  try {
    const file = await open(temporary, 'wx', 0o640);
    try {
      await file.writeFile(`${id}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(directory);
  await syncDirectory(dirname(directory));
  return (await read(path)) ?? id;
}

async function place(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (errno === 'EEXIST') return;
    // A file system without hard links.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errno)) throw error;
    await rename(temporary, path);
  }
}
