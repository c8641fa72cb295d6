import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { editsOf, handedEdits, mutate, REPOSITORY } from './mutation.ts';

/** Runs tests of the project in `MUTATED_PROJECT` and leaves the rules of the mutation out of its sources while Vite loads them. */
export default defineConfig({
  root: join(REPOSITORY, process.env['MUTATED_PROJECT'] ?? ''),
  // Without Vitest's cache of transformed files: the shipped suite must not get what is changed here, nor this run the other.
  test: { include: ['src/**/*.test.ts'], pool: 'forks', fsModuleCache: false },
  plugins: [
    {
      name: 'mutation',
      enforce: 'pre',
      transform: (source, path) => {
        const edits = editsOf(path, handedEdits());
        return edits.length === 0 ? null : { code: mutate(source, edits), map: null };
      },
    },
  ],
});
