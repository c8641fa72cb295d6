/** The image of this checkout, under two tags, where the nodes of the cluster have it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, say, SetupError, withHeartbeat } from '../shell.mjs';

/** Starts a Docker engine, and builds stand-ins for public base images, where no registry can be reached. */
const OFFLINE_IMAGES = join(root, '../shared/tools/offline-images');
const BASE_IMAGE = 'node:24-bookworm-slim';
const DOCKER_PID = '/var/run/docker.pid';

/** @returns the name of the image, and another name of it to upgrade to */
export async function buildImages({ version, cluster }, releasers) {
  if (cluster.image !== null) return { image: cluster.image, next: process.env.SINK_NEXT_IMAGE ?? cluster.image };
  const image = `sink-aws-s3:${version}`;
  const next = `${image}-next`;
  await startDocker(cluster.env, releasers);
  say(`building ${image}`);
  const build = ['build', '--network', 'host', '-t', image, '.'];
  await withHeartbeat(`building ${image}`, () => docker(cluster.env, ...build));
  await docker(cluster.env, 'tag', image, next);
  await withHeartbeat(`loading ${image}`, () => cluster.load([image, next]));
  return { image, next };
}

async function startDocker(env, releasers) {
  const answers = async (...args) => (await run('docker', args, { env })).code === 0;
  const isRunning = await answers('version');
  if (isRunning && (await answers('image', 'inspect', BASE_IMAGE))) return;
  if (!existsSync(OFFLINE_IMAGES)) {
    if (isRunning) return; // the build pulls it
    throw new SetupError('no Docker engine answers: start one');
  }
  if (!isRunning) {
    releasers.push(async () => {
      if (existsSync(DOCKER_PID)) process.kill(Number(readFileSync(DOCKER_PID, 'utf8')), 'SIGTERM');
    });
  }
  const { code, output } = await withHeartbeat('making a base image', () =>
    run('bash', [OFFLINE_IMAGES, 'node'], { env }),
  );
  if (code !== 0 || !(await answers('version'))) throw new SetupError(`no Docker engine: ${output.slice(-500)}`);
}

async function docker(env, ...args) {
  const { code, output } = await run('docker', args, { env });
  if (code !== 0) throw new SetupError(`docker ${args.join(' ')} failed:\n${output.slice(-2_000)}`);
}
