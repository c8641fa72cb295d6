import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const NAMED_VOLUME = 'use a named volume, such as -v sink-data:/data';

/** What is known of the mount that a directory is in: the path within its file system, and the type of that. */
interface Mount {
  readonly point: string;
  readonly root: string;
  readonly type: string;
}

/**
 * Why the files of a directory do not outlive their container or the machine's next start, and the remedy; null: nothing
 * says so. A 2xx of a sink that runs its own Redis there is worth no more than these files. It is known on Linux only.
 *
 * @param mounts the text of /proc/self/mountinfo (proc(5))
 */
export function transientStorage(directory: string, mounts = readMounts()): string | null {
  const path = realPath(directory);
  const mount = parseMounts(mounts)
    .filter(({ point }) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`))
    .reduce<Mount | null>((nearest, one) => (one.point.length >= (nearest?.point.length ?? 0) ? one : nearest), null);
  if (mount === null) return null;
  const { root, type } = mount;
  if (type === 'tmpfs' || type === 'ramfs') return `${directory} is in memory, and is lost with it: use a disk`;
  if (/\/volumes\/[0-9a-f]{64}\/_data$/.test(root))
    return `${directory} is a volume without a name, which "docker run --rm" deletes with the container: ${NAMED_VOLUME}`;
  if (root.includes('/kubernetes.io~empty-dir/'))
    return `${directory} is an emptyDir, which is deleted with its pod: use a volume claim`;
  if (type === 'overlay' && mount.point === '/')
    return `${directory} is in the container itself, and is deleted with it: ${NAMED_VOLUME}`;
  return null;
}

function readMounts(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}

function parseMounts(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ');
    if (root === undefined || point === undefined) return [];
    return [{ root: unescape(root), point: unescape(point), type: after.split(' ')[0] ?? '' }];
  });
}

/** Blanks and backslashes are in octal there. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)));
}

/** Without the symbolic links of the part that exists. */
function realPath(directory: string): string {
  const path = resolve(directory);
  return existsSync(path) ? realpathSync(path) : join(realPath(dirname(path)), basename(path));
}
