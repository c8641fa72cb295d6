/**
 * Makes a checkout ready to run: dependencies, Node 24, a redis-server. Prints the path of the redis-server on
 * stdout, everything else on stderr. Does nothing, and asks no registry, when everything is there.
 *
 *   node tools/setup.mjs         stops with one line if any of the three cannot be had
 *   node tools/setup.mjs start   goes on without a redis-server: a sink with `redis.url` needs none
 *   node tools/setup.mjs check   installs nothing: fails when dependencies would have to be installed
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { areDependenciesCurrent, installDependencies } from './dependencies.mjs';
import { withLock } from './lock.mjs';
import { provideRedisServer } from './redis-server.mjs';
import { endWithParent, root, say, SetupError } from './shell.mjs';

const NODE_MAJOR_MIN = 20;

async function setup(mode) {
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
    throw new SetupError(`Node ${NODE_MAJOR_MIN} or newer is needed, this is ${process.version}`);
  }
  if (mode === 'check') {
    if (await areDependenciesCurrent()) return;
    throw new SetupError('node_modules is not what package-lock.json asks for');
  }
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  await withLock(join(cache, 'setup.lock'), async () => {
    if (!(await areDependenciesCurrent())) await installDependencies(cache);
    try {
      process.stdout.write(`${await provideRedisServer(cache)}\n`);
    } catch (error) {
      if (mode !== 'start' || !(error instanceof SetupError)) throw error;
      say(`${error.message} (not needed with redis.url in the configuration)`);
    }
  });
}

endWithParent();
try {
  await setup(process.argv[2] ?? 'all');
} catch (error) {
  say(error instanceof SetupError || error.code !== undefined ? error.message : error.stack);
  process.exitCode = 1;
}
