import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';

/** How every project of the repository runs its tests: beside the code, in processes of their own. */
export function suite(root: string): ReturnType<typeof defineConfig> {
  return defineConfig({
    root,
    test: {
      name: basename(root),
      include: ['src/**/*.test.ts'],
      pool: 'forks',
      testTimeout: 30_000,
      hookTimeout: 60_000,
      passWithNoTests: true,
      watch: false,
      reporters: ['default', ['json', { outputFile: 'out/tests.json' }]],
    },
  });
}
