/**
 * Prints the paths of prometheus and promtool, one a line: those on PATH, else those of Debian's package, which it
 * fetches into `.cache/prometheus`. Only the tests need them. Fails with one line where they cannot be had.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { downloadDebian } from './debian.mjs';
import { withLock } from './lock.mjs';
import { endWithParent, onPath, root, say, SetupError, withHeartbeat } from './shell.mjs';

const PROGRAMS = ['prometheus', 'promtool'];

async function provide(cache) {
  const installed = PROGRAMS.map(onPath);
  if (!installed.includes(null)) return installed;
  const directory = join(cache, 'prometheus');
  const cached = PROGRAMS.map((name) => join(directory, 'root/usr/bin', name));
  mkdirSync(cache, { recursive: true });
  await withLock(join(cache, 'prometheus.lock'), async () => {
    if (cached.every(existsSync)) return;
    say('no prometheus and promtool on PATH: getting them with apt-get');
    // What the package depends on is for its pages.
    const download = () =>
      downloadDebian(
        directory,
        async () => ['prometheus'],
        () => undefined,
      );
    const problem = await withHeartbeat('getting prometheus', download);
    if (problem !== null) throw new SetupError(`no prometheus and promtool (${problem}): put both on PATH`);
  });
  return cached;
}

endWithParent();
try {
  process.stdout.write(`${(await provide(join(root, '.cache'))).join('\n')}\n`);
  process.exit(0);
} catch (error) {
  say(error instanceof SetupError ? error.message : error.stack);
  process.exit(1);
}
