/** The cluster that `npm run test:kubernetes` uses, and the programs that speak to it. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { onPath, root, run, say, SetupError, withHeartbeat } from '../shell.mjs';

/** A node for machines that have no cluster. */
const TOOLS = join(root, '../shared/tools/kubernetes');
const DEBIAN_PACKAGES = 'runc containernetworking-plugins nftables conntrack iproute2 openssl zstd'.split(' ');
const ADDONS = ['metrics-server', 'keda', 'storage'];
const KUBECONFORM = 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0';

/**
 * @returns `env` for programs that speak to it, `command` to run them where they reach it, `load` for an image that
 *   Docker has, `image`: one that is there already, or null, and `isOurs`: whether it may be changed as a whole
 */
export async function findCluster(cache, releasers) {
  const bin = join(cache, 'bin');
  mkdirSync(bin, { recursive: true });
  const path = [bin, join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter);
  if (process.env.KUBECONFIG) return foreignCluster(path);
  if (existsSync(join(TOOLS, 'node.sh'))) return ownNode(bin, path, releasers);
  throw new SetupError('there is no Kubernetes: name one in KUBECONFIG');
}

async function foreignCluster(path) {
  const env = { ...process.env, PATH: path };
  for (const program of ['kubectl', 'helm']) {
    if (onPath(program) === null) throw new SetupError(`${program} is not on PATH`);
  }
  const context = (await must('kubectl', ['config', 'current-context'], env)).stdout.trim();
  const kind = /^kind-(.+)$/.exec(context)?.[1];
  const image = process.env.SINK_IMAGE ?? null;
  if (kind === undefined && image === null) {
    throw new SetupError(`SINK_IMAGE has to name an image of the sink that the nodes of ${context} can pull`);
  }
  return {
    env,
    isOurs: false,
    image,
    command: (program, args) => [program, args],
    load: (names) => must('kind', ['load', 'docker-image', '--name', kind, ...names], env),
  };
}

async function ownNode(bin, path, releasers) {
  const env = { ...process.env, PATH: path };
  const script = (name, ...args) => must('bash', [join(TOOLS, name), ...args], env);
  await installPackages();
  if (!existsSync(join(bin, 'helm'))) await withHeartbeat('getting helm', () => script('get-helm-kubectl.sh', bin));
  await getKubeconform(bin, env);
  if (!isRunning()) {
    say('starting a Kubernetes node');
    releasers.push(() => script('node.sh', 'down'));
    await withHeartbeat('starting a Kubernetes node', () => script('node.sh', 'up'));
  }
  await withHeartbeat('starting its add-ons', () => script('addons.sh', ...ADDONS));
  return {
    env,
    isOurs: true,
    image: process.env.SINK_IMAGE ?? null,
    command: (program, args) => ['bash', [join(TOOLS, 'node.sh'), 'exec', program, ...args]],
    load: async (names) => {
      const file = join(bin, '../image.tar');
      await must('docker', ['save', '-o', file, ...names], env);
      await script('node.sh', 'load', file);
    },
  };
}

function isRunning() {
  try {
    process.kill(Number(readFileSync(join(process.env.W ?? '/tmp/k8s/node', 'pid'), 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}

async function installPackages() {
  const missing = [];
  for (const name of DEBIAN_PACKAGES) if ((await run('dpkg', ['-s', name])).code !== 0) missing.push(name);
  if (missing.length === 0) return;
  say(`installing ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await must('apt-get', ['update', '-qq'], env);
  await must('apt-get', ['install', '-y', '-qq', ...missing], env);
}

/** Checks manifests against schemas. Without Go it is left out, and so are those checks. */
async function getKubeconform(bin, env) {
  if (onPath('kubeconform') !== null || existsSync(join(bin, 'kubeconform'))) return;
  const { code } = await withHeartbeat('getting kubeconform', () =>
    run('go', ['install', KUBECONFORM], { env: { ...env, GOBIN: bin } }),
  );
  if (code !== 0) say('there is no kubeconform, and no Go to build it');
}

async function must(program, args, env) {
  const done = await run(program, args, { env });
  if (done.code === 0) return done;
  const last = done.output.trim().split('\n').slice(-5).join('\n');
  throw new SetupError(`${[program, ...args].join(' ')} failed: ${last}`);
}
