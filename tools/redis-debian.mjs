/**
 * redis-server out of Debian's packages (debian.mjs). Packages it depends on and that the machine lacks come along.
 */
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { APT_TIMEOUT_MS, downloadDebian } from './debian.mjs';
import { run } from './shell.mjs';

/** The server that an earlier download left in `directory`, or null. */
export function cachedRedisServer(directory) {
  const server = join(directory, 'redis-server');
  return existsSync(server) ? server : null;
}

/** Fills `directory`. Returns null, or what went wrong in a few words. */
export function downloadDebianRedis(directory) {
  return downloadDebian(directory, neededPackages, writeWrapper);
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
