/**
 * Programs out of Debian's (or Ubuntu's) packages, unpacked into a folder of our own: nothing is installed, no root is
 * needed, no service starts.
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onPath, run } from './shell.mjs';

export const APT_TIMEOUT_MS = 5 * 60_000;

/**
 * Fills `directory`, with what the packages hold in its folder `root`. Returns null, or what went wrong in a few words.
 * `packagesOf` gets options for apt-get and resolves to names, none if the lists do not know them; `finish` gets the
 * folder before it has its name.
 */
export async function downloadDebian(directory, packagesOf, finish) {
  if (onPath('dpkg') === null) return 'there is no dpkg';
  const building = `${directory}.${process.pid}`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  try {
    // First with the package lists the machine has; where there are none (containers), or outdated ones, with fresh
    // lists in a folder of our own, which an ordinary user can write.
    const problem = await unpack(building, packagesOf, []);
    if (problem !== null) {
      const own = await freshLists(building);
      const again = await unpack(building, packagesOf, own);
      if (again !== null) return again;
    }
    rmSync(join(building, 'apt'), { recursive: true, force: true });
    finish(building);
    rmSync(directory, { recursive: true, force: true });
    renameSync(building, directory);
    return null;
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** apt options for lists of our own, after an update of them. What failed shows when packages are looked for. */
async function freshLists(building) {
  const state = join(building, 'apt', 'state');
  const cache = join(building, 'apt', 'cache');
  mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(cache, 'archives', 'partial'), { recursive: true });
  const { stdout } = await run('apt-config', ['shell', 'STATUS', 'Dir::State::status/f']);
  const status = /'(.*)'/.exec(stdout)?.[1] ?? '/var/lib/dpkg/status';
  const options = [
    `Dir::State=${state}`,
    `Dir::State::status=${status}`,
    `Dir::Cache=${cache}`,
    'APT::Sandbox::User=root',
    'Acquire::http::Timeout=20',
    'Acquire::https::Timeout=20',
    'Acquire::Languages=none',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, '-q', 'update'], { timeoutMs: APT_TIMEOUT_MS });
  return options;
}

async function unpack(building, packagesOf, options) {
  const packages = await packagesOf(options);
  if (packages.length === 0) return 'the package lists do not know it';
  const archives = join(building, 'archives');
  rmSync(archives, { recursive: true, force: true });
  mkdirSync(archives);
  const download = await run('apt-get', [...options, '-q', '-o', 'APT::Sandbox::User=root', 'download', ...packages], {
    cwd: archives,
    timeoutMs: APT_TIMEOUT_MS,
  });
  if (download.code !== 0) return firstError(download.output);
  for (const archive of readdirSync(archives)) {
    const extract = await run('dpkg', ['-x', join(archives, archive), join(building, 'root')]);
    if (extract.code !== 0) return firstError(extract.output);
  }
  rmSync(archives, { recursive: true });
  return null;
}

function firstError(output) {
  const line = output.split('\n').find((text) => text.startsWith('E: ')) ?? output.trim().split('\n').at(-1);
  return (line ?? '').replace(/^E: /, '');
}
