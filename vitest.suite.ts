import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';

export interface SuiteOptions {
  /** The tests start whole sinks of many processes each: so many files run at a time, and a test may take longer. */
  readonly wholeSinks?: { readonly filesAtOnce: number };
  readonly include?: readonly string[];
  readonly tiers?: Tiers;
}

/**
 * The tests of a project that has more than one target for them (CONTRIBUTING.md, "Tiers"). Each tier is a target of
 * Nx and a project of Vitest: `vitest run --project smoke`.
 */
export interface Tiers {
  readonly files: Readonly<Record<string, readonly string[]>>;
  /** The tier of each file that `files` does not name: no test can fall out of all tiers. */
  readonly rest: string;
}

/**
 * How every project of the repository runs its tests: beside the code, in processes of their own. Timeouts are guards,
 * with room for a slow or busy machine; a wait inside a test (`expect.poll`, `eventually`) ends before the test does.
 */
export function suite(
  root: string,
  { wholeSinks, include = ['src/**/*.test.ts'], tiers }: SuiteOptions = {},
): ReturnType<typeof defineConfig> {
  // Under Nx each target leaves a report, which tools/test.mjs counts. A run by hand leaves none: it may be a part.
  const target = process.env['NX_TASK_TARGET_TARGET'];
  const report = target === undefined ? [] : [['json', { outputFile: `out/tests/${target}.json` }] as const];
  return defineConfig({
    root,
    test: {
      name: basename(root),
      // A tier adds its files to those of the whole: there must be none.
      ...(tiers === undefined ? { include: [...include] } : { projects: projectsOf(include, tiers) }),
      pool: 'forks',
      ...(wholeSinks === undefined ? {} : { maxWorkers: wholeSinks.filesAtOnce }),
      testTimeout: wholeSinks === undefined ? 30_000 : 120_000,
      hookTimeout: 60_000,
      expect: { poll: { timeout: 10_000 } },
      watch: false,
      reporters: ['default', ...report],
    },
  });
}

function projectsOf(all: readonly string[], { files, rest }: Tiers): { extends: true; test: object }[] {
  const named = Object.values(files).flat();
  const tiers = Object.entries(files).map(([name, include]) => ({ name, include: [...include] }));
  return [...tiers, { name: rest, include: [...all], exclude: named }].map((test) => ({ extends: true, test }));
}
