import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, RemoteS3 } from '@sink/testing';
import type { Judged } from '../harness/oracle.ts';
import type { Manifest, Namespace } from './kubectl.ts';
import { Load } from './load.ts';

export const BUCKET = 'events';
export const CREDENTIALS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
export const S3_PORT = 9000;
export const S3_URL = `http://s3:${S3_PORT}`;
const LOAD_PORT = 9000;
const REDIS_PORT = 6379;
export const REDIS_URL = `redis://redis:${REDIS_PORT}`;
const PROGRAMS = 'test-programs';

/** What a run knows from its start. */
export interface Setup {
  /** The image of the sink, as the nodes have it. */
  readonly image: string;
  /** The same under another tag, for an upgrade. */
  readonly nextImage: string;
  /** The directory of the programs that run in the cluster beside the sink: s3.mjs, load.mjs (tools/kubernetes.mjs). */
  readonly programs: string;
  /** The directory of the schemas for kubeconform (tools/kubernetes/schemas.mjs); null: there are none. */
  readonly schemas: string | null;
  /** The checkout. */
  readonly root: string;
  /** The namespaces stay, to be looked at. */
  readonly keep: boolean;
}

/** The suite's S3 in the cluster: it knows `If-None-Match`, notes every write, and can fail as it is told. */
export class ClusterS3 implements Judged {
  readonly s3: { readonly control: RemoteS3 };

  constructor(url: string) {
    this.s3 = { control: new RemoteS3(url) };
  }

  async objects(): Promise<Map<string, string[]>> {
    const objects = (await this.s3.control.objects()).filter(({ key }) => !key.includes('/_'));
    return new Map(objects.map(({ key, body }) => [key, body.toString('utf8').split('\n').slice(0, -1)]));
  }

  /** From now on no request gets an answer: its connection is reset. */
  async away(): Promise<void> {
    await this.s3.control.addFault({ effect: { kind: 'reset' } });
  }

  async back(): Promise<void> {
    await this.s3.control.clearFaults();
  }
}

export async function startS3(namespace: Namespace, setup: Setup): Promise<ClusterS3> {
  const args = ['--host', '0.0.0.0', '--port', String(S3_PORT), '--bucket', BUCKET];
  args.push('--access-key-id', CREDENTIALS.accessKeyId, '--secret-access-key', CREDENTIALS.secretAccessKey);
  await namespace.apply(
    programs(setup.programs),
    ...program({ name: 's3', file: 's3', port: S3_PORT, image: setup.image, args }),
  );
  await namespace.rolledOut('deployment/s3');
  return new ClusterS3(await namespace.forward('deployment/s3', S3_PORT));
}

/**
 * A Redis that is not of the release: an upgrade does not replace it. Its settings are those of docs/redis.md; its file is in
 * memory, because no test here ends it, and a busy disk of the node would be what they measure.
 */
export async function startRedis(namespace: Namespace, { image }: Setup): Promise<void> {
  const settings = { appendonly: 'yes', appendfsync: 'always', maxmemory: '256mb', 'maxmemory-policy': 'noeviction' };
  const options = Object.entries({ ...settings, bind: '0.0.0.0', 'protected-mode': 'no', dir: '/data', save: '' });
  const container = {
    name: 'redis',
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['redis-server', ...options.flatMap(([name, value]) => [`--${name}`, value])],
    readinessProbe: { tcpSocket: { port: REDIS_PORT }, periodSeconds: 1 },
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  };
  const volumes = [{ name: 'data', emptyDir: { medium: 'Memory' } }];
  await namespace.apply(...deployment('redis', REDIS_PORT, { containers: [container], volumes }));
  await namespace.rolledOut('deployment/redis');
}

export interface LoadOptions {
  /** Of its pod. */
  readonly name?: string;
  /** Of the Service of ingest, as pods of the namespace reach it. */
  readonly url: string;
  /** How long each producer waits between two events. */
  readonly pauseMs: number;
}

export async function startLoad(namespace: Namespace, setup: Setup, options: LoadOptions): Promise<Load> {
  const { name = 'load', url, pauseMs } = options;
  const args = ['--url', url, '--name', name, '--pause-ms', String(pauseMs), '--port', String(LOAD_PORT)];
  await namespace.apply(
    programs(setup.programs),
    ...program({ name, file: 'load', port: LOAD_PORT, image: setup.image, args }),
  );
  await namespace.rolledOut(`deployment/${name}`);
  const load = new Load(await namespace.forward(`deployment/${name}`, LOAD_PORT));
  await eventually(() => load.progress());
  return load;
}

function programs(directory: string): Manifest {
  const files = readdirSync(directory).filter((name) => name.endsWith('.mjs'));
  const data = Object.fromEntries(files.map((name) => [name, readFileSync(join(directory, name), 'utf8')]));
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: PROGRAMS }, data };
}

interface ProgramPod {
  readonly name: string;
  readonly file: 'load' | 's3';
  readonly port: number;
  readonly image: string;
  readonly args: readonly string[];
}

/** One pod with one of the programs, and its Service. */
function program({ name, file, port, image, args }: ProgramPod): Manifest[] {
  const container = {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', `/programs/${file}.mjs`, ...args],
    ports: [{ containerPort: port }],
    readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
    resources: { requests: { cpu: '50m', memory: '64Mi' } },
    volumeMounts: [{ name: 'programs', mountPath: '/programs' }],
  };
  const spec = {
    terminationGracePeriodSeconds: 1,
    containers: [container],
    volumes: [{ name: 'programs', configMap: { name: PROGRAMS } }],
  };
  return deployment(name, port, spec);
}

/** One pod and its Service, both of that name. */
function deployment(name: string, port: number, spec: object): Manifest[] {
  const labels = { app: name };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    },
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: labels, ports: [{ port }] } },
  ];
}
