/**
 * Makes `dist/`: one ES module per app with everything it needs inside, so that the image holds no node_modules; and
 * `exporting.js`, the SDK of OpenTelemetry, which a service loads when it is to export traces; and `schema-worker.js`, the
 * threads that compile and evaluate schemas.
 *
 *   node tools/build.mjs [DIRECTORY]     dist by default; what is in there goes
 *
 * Node keeps the source of all that it loads, twice, so the modules are small: without blanks, in lines of 200 characters so
 * that stack traces still lead somewhere. What is imported when it is needed, such as the tools of the command line with
 * their clients of AWS and Redis, is in files of its own (`chunk-….js`), which the supervisor does not load.
 *
 * BullMQ's and our own Lua scripts are strings in JavaScript modules and come along. What stays outside is native or
 * an option that the package does not need: msgpackr works without its native helper, and logs that.
 */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { root } from './shell.mjs';

/** A module that is loaded only when it is needed, and so has a file of its own beside the bundles. */
const LAZY = /\/exporting\.ts$/;
const entries = {
  sink: 'apps/sink/src/main.ts',
  ingest: 'apps/ingest/src/main.ts',
  batcher: 'apps/batcher/src/main.ts',
  uploader: 'apps/uploader/src/main.ts',
  healthcheck: 'apps/sink/src/healthcheck.ts',
  exporting: 'libs/tracing/src/exporting.ts',
  'schema-worker': 'libs/schemas/src/threads/schema-worker.ts',
};
const dist = resolve(root, process.argv[2] ?? 'dist');
const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(dist, { recursive: true, force: true });
const options = {
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  // What is imported when it is needed stays in files of its own.
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  external: ['msgpackr-extract'],
  // Stack traces are read by people: names stay, and `node --enable-source-maps` shows the source's lines.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 200,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'linked',
  // CommonJS dependencies call require; an ES module has none of its own.
  banner: {
    js: `// ${name} ${version}\nimport { createRequire as createRequireOfBundle } from 'node:module';\nconst require = createRequireOfBundle(import.meta.url);`,
  },
  logLevel: 'warning',
  plugins: [
    {
      name: 'lazy',
      setup: ({ onResolve }) =>
        onResolve({ filter: LAZY }, ({ kind, path }) =>
          kind === 'dynamic-import' ? { path: path.replace(/\.ts$/, '.js'), external: true } : undefined,
        ),
    },
    {
      // The supervisor has no metrics of its own. The package does not say that loading it has no effect.
      name: 'metrics only where they are used',
      setup: ({ onResolve, resolve: resolveBy }) =>
        onResolve({ filter: /^prom-client$/ }, async ({ path, pluginData, ...from }) =>
          pluginData === 'asked'
            ? undefined
            : { ...(await resolveBy(path, { ...from, pluginData: 'asked' })), sideEffects: false },
        ),
    },
  ],
};
// One by one: a module that two of them share would also hold what only the other needs.
for (const [app, entry] of Object.entries(entries)) await build({ ...options, entryPoints: { [app]: entry } });

writeFileSync(
  join(dist, 'package.json'),
  `${JSON.stringify({ name, version, license, private: true, type: 'module', engines: { node: '>=24' } }, null, 2)}\n`,
);
for (const app of Object.keys(entries)) {
  const file = join(dist, `${app}.js`);
  if (!existsSync(file)) throw new Error(`building ${app}: ${file} is missing`);
  console.log(`${app}.js  ${(statSync(file).size / 1024 / 1024).toFixed(1)} MiB`);
}
