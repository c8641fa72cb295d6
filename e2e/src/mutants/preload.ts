import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { editsOf, handedEdits, mutate, type PlacedEdit } from './mutation.ts';

/** The exit code of a process that ended without having loaded a line which it was to change. */
const NOT_MUTATED = 70;

/** `node --import preload.ts`: leaves rules out of the sources while they are loaded; no file is changed. */
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
