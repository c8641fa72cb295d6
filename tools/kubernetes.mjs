/**
 * Shows that the sink works on Kubernetes: builds the image, loads it, installs manifest and chart, and disturbs them under
 * load. Prints a table, and last "N passed, N failed, N skipped".
 *
 *   npm run test:kubernetes [-- [PART…] [--keep]]     --keep: the namespaces stay
 *   npm run test:kubernetes -- --list                 the parts
 *
 * The cluster: that of KUBECONFIG; else a node of ../shared/tools/kubernetes, which ends with this script unless it ran
 * before. Without either nothing is shown, and it exits with 1. SINK_IMAGE names an image that the nodes have or can pull
 * (SINK_NEXT_IMAGE: another one to upgrade to): then none is built. Without it KUBECONFIG has to name a kind cluster.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findCluster } from './kubernetes/cluster.mjs';
import { buildImages } from './kubernetes/image.mjs';
import { buildPrograms } from './kubernetes/programs.mjs';
import { applyCustomResources, getSchemas } from './kubernetes/schemas.mjs';
import { endWithParent, root, run, say, SetupError } from './shell.mjs';

const { values, positionals } = parseArgs({
  options: { list: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const MAIN = join(root, 'e2e/src/kubernetes/main.ts');
const cache = join(root, '.cache/kubernetes');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

endWithParent();
const releasers = [];
try {
  if (values.list) await show(process.execPath, [MAIN, '--list'], process.env);
  else await prove();
} catch (error) {
  say(error instanceof SetupError ? error.message : error.stack);
  process.exitCode = 1;
  countFailure();
} finally {
  for (const release of releasers.reverse()) await release();
}

async function prove() {
  const cluster = await findCluster(cache, releasers);
  const images = await buildImages({ version, cluster, cache }, releasers);
  const programs = await buildPrograms(join(cache, 'programs'));
  const schemas = await schemasFor(cluster);
  const options = ['--image', images.image, '--next-image', images.next, '--programs', programs, ...schemas];
  const keep = values.keep ? ['--keep'] : [];
  await show(...cluster.command(process.execPath, [MAIN, ...options, ...keep, ...positionals]), cluster.env);
}

/** A cluster of somebody else keeps the custom resources that it has. */
async function schemasFor(cluster) {
  if (positionals.length > 0 && !positionals.includes('matrix')) return [];
  const schemas = await getSchemas(cache, cluster.env);
  if (schemas === null) return [];
  if (cluster.isOurs) await applyCustomResources(schemas, cluster.env, cluster.command);
  return ['--schemas', schemas];
}

async function show(command, args, env) {
  const { code } = await run(command, args, { env, show: true, timeoutMs: null });
  process.exitCode = code ?? 1;
}

/** What cannot begin fails in the count of .ci/run, too. */
function countFailure() {
  const file = process.env.SUITE_TALLY;
  if (!file || !existsSync(file)) return;
  const { passed, failed } = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ passed, failed: failed + 1 }));
}
