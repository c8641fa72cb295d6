/** The programs that the tests run in the cluster beside the sink: each as one module, for a ConfigMap. */
import { rmSync } from 'node:fs';
import { build } from 'esbuild';
import { root } from '../shell.mjs';

const entries = { load: 'e2e/src/kubernetes/load-main.ts', s3: 'libs/testing/src/s3-main.ts' };

/** @returns the directory */
export async function buildPrograms(directory) {
  rmSync(directory, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // A ConfigMap has at most 1 MiB.
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    // CommonJS dependencies call require; an ES module has none of its own.
    banner: {
      js: "import { createRequire as createRequireOfBundle } from 'node:module';const require = createRequireOfBundle(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return directory;
}
