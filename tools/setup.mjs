/**
 * Makes a checkout ready to run: dependencies, Node 24, a redis-server. Prints the path of the redis-server on
 * stdout, everything else on stderr. Does nothing, and asks no registry, when everything is there.
 *
 *   node tools/setup.mjs         stops with one line if any of the three cannot be had
 *   node tools/setup.mjs start   goes on without a redis-server: a sink with `redis.url` needs none
 *   node tools/setup.mjs check   installs nothing: fails when dependencies would have to be installed
 */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { areDependenciesCurrent, installDependencies } from './dependencies.mjs';
import { withLock } from './lock.mjs';
import { findRedisServer, provideRedisServer } from './redis-server.mjs';
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
  // Where everything is there, nothing is written: the checkout may belong to another user, or be read-only.
  const isInstalled = await areDependenciesCurrent();
  const server = isInstalled ? await findRedisServer(cache) : null;
  if (server !== null) {
    process.stdout.write(`${server}\n`);
    return;
  }
  try {
    makeWritable(cache);
    await withLock(join(cache, 'setup.lock'), async () => {
      if (!(await areDependenciesCurrent())) await installDependencies(cache);
      process.stdout.write(`${await provideRedisServer(cache)}\n`);
    });
  } catch (error) {
    const isReady = isInstalled || (await areDependenciesCurrent());
    if (mode !== 'start' || !isReady || !(error instanceof SetupError)) throw error;
    say(`${error.message} (not needed with redis.url in the configuration)`);
  }
}

function makeWritable(cache) {
  try {
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK);
  } catch (error) {
    throw new SetupError(
      `something has to be installed, and ${cache} cannot be written (${error.code}): run \`npm start\` once as a user who may write here`,
    );
  }
}

endWithParent();
try {
  await setup(process.argv[2] ?? 'all');
} catch (error) {
  say(error instanceof SetupError || error.code !== undefined ? error.message : error.stack);
  process.exitCode = 1;
}
