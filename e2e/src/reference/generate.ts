import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DOCUMENTS, REPOSITORY } from './documents.ts';

/** Writes the generated documents of this project; part of `npm run docs`. */
for (const [path, render] of Object.entries(DOCUMENTS)) {
  const file = join(REPOSITORY, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await render());
}
