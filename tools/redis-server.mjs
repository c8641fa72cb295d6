/**
 * A redis-server (or valkey-server) of version 7.0 or newer, from wherever the machine has one; if it has none, from
 * the system's package manager without root, without questions and without starting a service.
 */
import { join } from 'node:path';
import { cachedRedisServer, downloadDebianRedis } from './redis-debian.mjs';
import { onPath, run, say, SetupError, withHeartbeat } from './shell.mjs';

const VERSION_MIN = 7;
const BREW_TIMEOUT_MS = 10 * 60_000;
const HOW_TO_INSTALL =
  `install redis-server ${VERSION_MIN}.0 or newer (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis; ` +
  'Fedora: dnf install valkey), or name one in SINK_REDIS_SERVER';

/** Path of a redis-server that is there already and runs; null when there is none, or SINK_REDIS_SERVER names an unfit one. */
export function findRedisServer(cache) {
  const given = process.env.SINK_REDIS_SERVER;
  return firstFit(given ? [given] : [...installed(), cachedRedisServer(join(cache, 'redis'))]);
}

/** Path of a redis-server that was seen to run. Throws SetupError with the line that says what to install. */
export async function provideRedisServer(cache) {
  const found = await findRedisServer(cache);
  if (found !== null) return found;
  const given = process.env.SINK_REDIS_SERVER;
  if (given) throw new SetupError(`SINK_REDIS_SERVER=${given} is no redis-server ${VERSION_MIN}.0 or newer`);
  const directory = join(cache, 'redis');

  for (const [manager, install] of [
    ['apt-get', () => downloadDebianRedis(directory)],
    ['brew', () => brewRedis()],
  ]) {
    if (onPath(manager) === null) continue;
    say(`no redis-server ${VERSION_MIN}.0 or newer on PATH: getting one with ${manager}`);
    const problem = await withHeartbeat('getting redis-server', install);
    const server = await firstFit([...installed(), cachedRedisServer(directory)]);
    if (server !== null) {
      say(`redis-server is ${server}`);
      return server;
    }
    throw new SetupError(
      `${manager} gave no redis-server (${problem ?? 'the one it gave does not run'}): ${HOW_TO_INSTALL}`,
    );
  }
  throw new SetupError(`no redis-server: ${HOW_TO_INSTALL}`);
}

function installed() {
  return ['redis-server', 'valkey-server'].map(onPath);
}

async function firstFit(candidates) {
  for (const candidate of candidates) {
    if (candidate !== null && (await isFit(candidate))) return candidate;
  }
  return null;
}

/** "Redis server v=7.0.15 sha=..." or "Valkey server v=8.1.1 ..." */
async function isFit(server) {
  const { code, stdout } = await run(server, ['--version'], { timeoutMs: 10_000 });
  const major = /\bv=(\d+)\./.exec(stdout)?.[1];
  return code === 0 && major !== undefined && Number(major) >= VERSION_MIN;
}

async function brewRedis() {
  const env = { ...process.env, HOMEBREW_NO_AUTO_UPDATE: '1', NONINTERACTIVE: '1' };
  const { code, output } = await run('brew', ['install', '--quiet', 'redis'], { env, timeoutMs: BREW_TIMEOUT_MS });
  return code === 0 ? null : output.trim().split('\n').at(-1);
}
