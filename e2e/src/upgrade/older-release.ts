import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');
/** The last commit whose chunks, records and receipts have one version. */
const LAST_OF_VERSION_1 = 'c57ecc6';

/** Whether the history of this checkout reaches back to the older release. */
export function hasOlderRelease(): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${LAST_OF_VERSION_1}^{commit}`], { cwd: ROOT, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * The sources of the last release before version 2, in this directory, ready to run: with its own libraries, and the
 * packages that are installed here.
 * @returns its main program
 */
export function olderRelease(directory: string): string {
  const archive = execFileSync('git', ['archive', LAST_OF_VERSION_1, 'package.json', 'apps', 'libs'], {
    ...{ cwd: ROOT, maxBuffer: 100 * 1024 * 1024 },
  });
  execFileSync('tar', ['-x', '-C', directory], { input: archive });
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, '@sink'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@sink' && name !== '.bin') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  for (const kind of ['apps', 'libs']) {
    for (const name of readdirSync(join(directory, kind))) {
      symlinkSync(join(directory, kind, name), join(modules, '@sink', name));
      const own = join(ROOT, kind, name, 'node_modules');
      if (existsSync(own)) symlinkSync(own, join(directory, kind, name, 'node_modules'));
    }
  }
  return join(directory, 'apps/sink/src/main.ts');
}
