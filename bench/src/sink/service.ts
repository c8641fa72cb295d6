import { join } from 'node:path';
import { eventually, freePort, type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';

export const SERVICES = ['ingest', 'batcher', 'uploader'] as const;
export type ServiceName = (typeof SERVICES)[number];

export const REPOSITORY = join(import.meta.dirname, '../../..');
export const BUCKET = { name: 'bench', accessKeyId: 'AKIDBENCH', secretAccessKey: 'bench-secret' };
const READY_MAX_MS = 30_000;

/** A process of the sink. */
export interface Service {
  readonly kind: ServiceName;
  /** The address at which ingest accepts events. */
  readonly url: string;
  readonly opsUrl: string;
  readonly process: ManagedProcess;
}

/** The configuration of all services of a sink, in addition to its settings. */
export function sinkEnvironment({ redisUrl, s3Url }: { redisUrl: string; s3Url: string }): Record<string, string> {
  return {
    SINK_HOST: '127.0.0.1',
    SINK_DATA_DIR: temporaryDirectory('bench'),
    SINK_REDIS_URL: redisUrl,
    SINK_BUCKET: BUCKET.name,
    SINK_REGION: 'us-east-1',
    SINK_ENDPOINT: s3Url,
    SINK_AWS_ACCESS_KEY_ID: BUCKET.accessKeyId,
    SINK_AWS_SECRET_ACCESS_KEY: BUCKET.secretAccessKey,
  };
}

/** Starts a service on ports of its own, and waits until it is ready. */
export async function startService(
  kind: ServiceName,
  environment: Readonly<Record<string, string>>,
  profileDirectory: string | null,
): Promise<Service> {
  const [port, opsPort] = [String(await freePort()), String(await freePort())];
  const profiling =
    profileDirectory === null
      ? {}
      : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDirectory} --cpu-prof-name=${kind}.cpuprofile` };
  const service: Service = {
    kind,
    url: `http://127.0.0.1:${port}/`,
    opsUrl: `http://127.0.0.1:${opsPort}`,
    process: await startProcess({
      command: process.execPath,
      // Runs the service as the image does, with its arguments for Node.
      args: [join(REPOSITORY, 'apps/sink/src/main.ts'), kind],
      env: { ...environment, ...profiling, SINK_PORT: port, [`SINK_${kind.toUpperCase()}_OPS_PORT`]: opsPort },
    }),
  };
  await eventually(
    async () => {
      const response = await fetch(`${service.opsUrl}/readyz`);
      if (!response.ok) throw new Error(`${kind} is not ready: ${await response.text()}\n${service.process.output()}`);
    },
    { timeoutMs: READY_MAX_MS },
  );
  return service;
}

/**
 * A metric of a service, as the sum over its labels. A metric without a sample yet is 0.
 *
 * @throws when the service has no such metric, so that a renamed one does not count as 0
 */
export async function counted({ kind, opsUrl }: Service, metric: string): Promise<number> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${metric}(?:\\{.*\\})? (\\S+)$`, 'gm'))];
  const sum = values.reduce((total, [, value]) => total + Number(value), 0);
  if (!text.includes(`# TYPE ${metric} `) || !Number.isFinite(sum)) {
    throw new Error(`reading ${metric} of ${kind} [url=${opsUrl}]: there is no such metric`);
  }
  return sum;
}
