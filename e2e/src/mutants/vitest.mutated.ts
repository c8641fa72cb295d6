import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { editsOf, handedEdits, mutate, REPOSITORY } from './mutation.ts';

/** The tests of one project (in `MUTATED_PROJECT`) on sources of it from which rules are left out while they are loaded. */
export default defineConfig({
  root: join(REPOSITORY, process.env['MUTATED_PROJECT'] ?? ''),
  // No cache: what is transformed here is for this run alone.
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
