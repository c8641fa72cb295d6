import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';

export interface SuiteOptions {
  /** Its tests start whole sinks, each of many processes: one file at a time, and a test may take longer. */
  readonly wholeSinks?: boolean;
}

/**
 * How every project of the repository runs its tests: beside the code, in processes of their own. Timeouts are guards, with
 * room for a machine that is slow or busy; a wait inside a test (`expect.poll`, `eventually`) ends before the test does.
 */
export function suite(root: string, { wholeSinks = false }: SuiteOptions = {}): ReturnType<typeof defineConfig> {
  return defineConfig({
    root,
    test: {
      name: basename(root),
      include: ['src/**/*.test.ts'],
      pool: 'forks',
      fileParallelism: !wholeSinks,
      testTimeout: wholeSinks ? 120_000 : 30_000,
      hookTimeout: 60_000,
      expect: { poll: { timeout: 10_000 } },
      passWithNoTests: true,
      watch: false,
      reporters: ['default', ['json', { outputFile: 'out/tests.json' }]],
    },
  });
}
