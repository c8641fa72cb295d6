import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { root } from './shell.mjs';

const execute = promisify(execFile);

/** The projects whose targets `npm run check` would run after a change of this file. */
async function affectedBy(file) {
  const nx = join(root, 'node_modules/nx/dist/bin/nx.js');
  const args = [nx, 'show', 'projects', '--affected', `--files=${file}`, '--json'];
  const env = { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true' };
  const { stdout } = await execute(process.execPath, args, { cwd: root, env });
  return JSON.parse(stdout).sort();
}

// What is started by path, or read, is not imported: package.json says it (nx.implicitDependencies, and inputs).
test.each([
  ['apps/batcher/src/start.ts', ['batcher', 'bench', 'e2e', 'sink']],
  ['apps/sink/src/supervisor/service-command.ts', ['bench', 'e2e', 'sink']],
  ['tools/build.mjs', ['bench', 'e2e', 'sink', 'tools']],
  ['docs/metrics.md', ['e2e']],
])('a change of %s affects %j', { timeout: 60_000 }, async (file, projects) => {
  expect(existsSync(join(root, file))).toBe(true);
  expect(await affectedBy(file)).toEqual(projects.map((name) => `@sink/${name}`));
});
