import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reaper } from './reaper.ts';

/** A new, empty directory, which is removed with its content when this process ends. */
export function temporaryDirectory(name = 'test'): string {
  const directory = mkdtempSync(join(tmpdir(), `sink-${name}-`));
  reaper().removeAtEnd(directory);
  return directory;
}
