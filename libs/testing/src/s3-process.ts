import { fileURLToPath } from 'node:url';
import { startProcess } from './process.ts';
import type { ManagedProcess } from './process.ts';
import type { S3ObjectLine } from './s3-admin.ts';
import type { S3Fault } from './s3-faults.ts';
import type { S3Object, S3Write } from './s3-objects.ts';
import type { S3Options, S3Permissions, S3Request } from './s3.ts';

/** Controls a fake in another process over HTTP, as FakeS3 does in this process. */
export class RemoteS3 {
  readonly url: string;

  /** @param url of the fake, `http://host:port` */
  constructor(url: string) {
    this.url = url;
  }

  /** All objects with their bodies, in key order; of the first bucket unless another is named. */
  async objects(bucket = ''): Promise<S3Object[]> {
    const lines = (await this.#lines(`objects?bodies=1&bucket=${bucket}`)) as S3ObjectLine[];
    return lines.map(({ body, ...rest }) => ({ ...rest, body: Buffer.from(body ?? '', 'base64') }));
  }

  /** The keys of all objects. */
  async keys(): Promise<string[]> {
    return ((await this.#lines('objects')) as S3ObjectLine[]).map(({ key }) => key);
  }

  /** The body of one object, as the client sent it. */
  async body(key: string): Promise<Buffer> {
    return this.#call('GET', `object?key=${encodeURIComponent(key)}`);
  }

  async writes(): Promise<S3Write[]> {
    return (await this.#lines('writes')) as S3Write[];
  }

  /** The PUTs that replaced an object with other bytes. Must stay empty. */
  async overwrites(): Promise<S3Write[]> {
    return (await this.writes()).filter(({ outcome }) => outcome === 'other_bytes');
  }

  async requests(): Promise<S3Request[]> {
    return (await this.#lines('requests')) as S3Request[];
  }

  /** Adds a fault rule (whose `match` cannot be a function here) and returns its id. */
  async addFault(fault: S3Fault): Promise<number> {
    return ((await this.#call('POST', 'faults', JSON.stringify(fault)).then(parse)) as { id: number }).id;
  }

  async removeFault(id: number): Promise<void> {
    await this.#call('DELETE', `faults/${id}`);
  }

  async clearFaults(): Promise<void> {
    await this.#call('DELETE', 'faults');
  }

  async faultHits(id: number): Promise<number> {
    return ((await this.#call('GET', `faults/${id}`).then(parse)) as { hits: number }).hits;
  }

  async setPermissions(permissions: S3Permissions): Promise<void> {
    await this.#call('PUT', 'permissions', JSON.stringify(permissions));
  }

  async setBucketExists(exists: boolean): Promise<void> {
    await this.#call('PUT', 'bucket', JSON.stringify(exists));
  }

  async plant(key: string, body: string | Buffer): Promise<void> {
    await this.#call('POST', `plant?key=${encodeURIComponent(key)}`, body);
  }

  async remove(key: string): Promise<void> {
    await this.#call('DELETE', `object?key=${encodeURIComponent(key)}`);
  }

  async clear(): Promise<void> {
    await this.#call('POST', 'clear');
  }

  async #lines(path: string): Promise<unknown[]> {
    const body = await this.#call('GET', path);
    return body
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line));
  }

  async #call(method: string, path: string, body: string | Buffer | null = null): Promise<Buffer> {
    const init = { method, body: typeof body === 'string' || body === null ? body : new Uint8Array(body) };
    const response = await fetch(`${this.url}/_fake/${path}`, init);
    const answer = Buffer.from(await response.arrayBuffer());
    if (!response.ok)
      throw new Error(`controlling the S3 fake [${method} ${path}]: ${response.status} ${String(answer)}`);
    return answer;
  }
}

/** The fake as a child process, and its control. */
export interface S3Process {
  readonly process: ManagedProcess;
  readonly url: string;
  readonly port: number;
  readonly control: RemoteS3;
  /** Kills the process, with its objects. It also ends when the test process does. */
  stop(): Promise<void>;
}

/** Starts the fake as a process of its own (s3-main.ts), which survives whatever else a test kills. */
export async function startS3Process(
  options: Pick<
    S3Options,
    | 'bucket'
    | 'otherBuckets'
    | 'objectLock'
    | 'accessKeyId'
    | 'secretAccessKey'
    | 'host'
    | 'port'
    | 'region'
    | 'permissions'
  >,
): Promise<S3Process> {
  const args = [fileURLToPath(new URL('./s3-main.ts', import.meta.url)), '--bucket', options.bucket];
  args.push('--access-key-id', options.accessKeyId, '--secret-access-key', options.secretAccessKey);
  if (options.port !== undefined) args.push('--port', String(options.port));
  if (options.host !== undefined) args.push('--host', options.host);
  if (options.region !== undefined) args.push('--region', options.region);
  for (const other of options.otherBuckets ?? []) args.push('--other-bucket', other);
  if (options.objectLock === true) args.push('--object-lock');
  if (typeof options.permissions === 'string') args.push('--permissions', options.permissions);
  const child = await startProcess({ command: process.execPath, args });
  const [, url = ''] = await child.waitFor(/listening on (\S+)\n/);
  const stop = async (): Promise<void> => {
    await child.kill();
  };
  const control = new RemoteS3(url);
  if (typeof options.permissions === 'object') await control.setPermissions(options.permissions);
  return { process: child, url, port: Number(new URL(url).port), control, stop };
}

function parse(body: Buffer): unknown {
  return JSON.parse(body.toString());
}
