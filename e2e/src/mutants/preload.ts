import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { editsOf, handedEdits, mutate, type PlacedEdit } from './mutation.ts';

/**
 * `node --import preload.ts`: leaves the rules of the mutation in the environment out of the sources, in memory, while Node
 * loads them. No file is changed, and a process that it starts with the same environment and `--import` does the same.
 */

/** The exit code of a process that ended and had not loaded a line that the mutation changes. */
const NOT_MUTATED = 70;

/** Edits of files that are not loaded yet. */
const waiting = new Set<PlacedEdit>(handedEdits());
registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    if (!url.startsWith('file:')) return loaded;
    const path = fileURLToPath(url);
    const edits = editsOf(path, [...waiting]);
    if (edits.length === 0) return loaded;
    for (const edit of edits) waiting.delete(edit);
    return { ...loaded, source: mutate(readFileSync(path, 'utf8'), edits) };
  },
});

process.on('exit', () => {
  for (const { file, edit } of waiting) console.error(`rule ${edit.rule} is not left out: ${file} was not loaded`);
  if (waiting.size > 0) process.exitCode = NOT_MUTATED;
});
