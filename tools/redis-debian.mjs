/**
 * redis-server out of Debian's (or Ubuntu's) packages, unpacked into a folder of our own: nothing is installed, no
 * root is needed, no service starts. Packages it depends on and that the machine lacks come along.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onPath, run } from './shell.mjs';

const APT_TIMEOUT_MS = 5 * 60_000;

/** The server that an earlier download left in `directory`, or null. */
export function cachedRedisServer(directory) {
  const server = join(directory, 'redis-server');
  return existsSync(server) ? server : null;
}

/** Fills `directory`. Returns null, or what went wrong in a few words. */
export async function downloadDebianRedis(directory) {
  if (onPath('dpkg') === null) return 'there is no dpkg';
  const building = `${directory}.${process.pid}`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  try {
    // First with the package lists the machine has; where there are none (containers), or outdated ones, with fresh
    // lists in a folder of our own, which an ordinary user can write.
    const problem = await unpack(building, []);
    if (problem !== null) {
      const own = await freshLists(building);
      const again = await unpack(building, own);
      if (again !== null) return again;
    }
    rmSync(join(building, 'apt'), { recursive: true, force: true });
    writeWrapper(building);
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

async function unpack(building, options) {
  const packages = await neededPackages(options);
  if (packages.length === 0) return 'the package lists know no redis-server';
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

/**
 * The packages an installation of redis-server would bring: "Inst <name> ..." lines of a simulation. --reinstall lists
 * the two that hold the program even where dpkg believes they are installed.
 */
async function neededPackages(options) {
  const simulate = ['-s', '-q', '--no-install-recommends', '--reinstall', 'install', 'redis-server', 'redis-tools'];
  const { code, stdout } = await run('apt-get', [...options, ...simulate], { timeoutMs: APT_TIMEOUT_MS });
  if (code !== 0) return [];
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name);
  return names.filter((name) => /^(redis|lib)/.test(name));
}

/** `redis-server` beside the unpacked files, so that the folder can be moved and the libraries are found. */
function writeWrapper(building) {
  const libraries = readdirSync(join(building, 'root'), { recursive: true, withFileTypes: true })
    .filter((entry) => /\.so(\.|$)/.test(entry.name))
    .map((entry) => entry.parentPath.slice(building.length + 1));
  const path = [...new Set(libraries)].map((folder) => `$here/${folder}`).join(':');
  const script = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd) || exit 1
LD_LIBRARY_PATH="${path}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/root/usr/bin/redis-server" "$@"
`;
  const file = join(building, 'redis-server');
  writeFileSync(file, script);
  chmodSync(file, 0o755);
}

function firstError(output) {
  const line = output.split('\n').find((text) => text.startsWith('E: ')) ?? output.trim().split('\n').at(-1);
  return (line ?? '').replace(/^E: /, '');
}
