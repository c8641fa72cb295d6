import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** An object of Kubernetes. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
const TIMEOUT_MS = 180_000;
/** How long a port-forward may take until it listens. */
const FORWARD_MS = 15_000;

/** Runs a program and resolves to its output. @throws Error with all that it printed */
export async function run(command: string, args: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)(command, [...args], { maxBuffer: OUTPUT_BYTES_MAX, timeout: TIMEOUT_MS });
  running.child.stdin?.end(input);
  try {
    return (await running).stdout.trim();
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    const said = `${stderr ?? ''}${stdout ?? ''}`.trim() || String(error);
    throw new Error(`${command} ${args.join(' ')}: ${said}`, { cause: error });
  }
}

/** One namespace of the cluster that KUBECONFIG names. Its kubectl and helm are those on PATH. */
export class Namespace {
  readonly name: string;
  readonly #forwards = new Set<ChildProcess>();

  private constructor(name: string) {
    this.name = name;
  }

  /** Makes a new one; one of that name that is there goes first. */
  static async create(name: string): Promise<Namespace> {
    await run('kubectl', ['delete', 'namespace', name, '--ignore-not-found', '--wait']);
    await run('kubectl', ['create', 'namespace', name]);
    return new Namespace(name);
  }

  /** @param keep the namespace stays, to be looked at */
  async delete(keep: boolean): Promise<void> {
    for (const forward of this.#forwards) forward.kill('SIGKILL');
    if (!keep) await run('kubectl', ['delete', 'namespace', this.name, '--ignore-not-found', '--wait=false']);
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return run('kubectl', ['-n', this.name, ...args]);
  }

  helm(...args: readonly string[]): Promise<string> {
    return run('helm', ['-n', this.name, ...args]);
  }

  async apply(...items: readonly Manifest[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    // On the server, because a client would copy all of an object into an annotation of it.
    await run('kubectl', ['-n', this.name, 'apply', '--server-side', '--force-conflicts', '-f', '-'], list);
  }

  async rolledOut(workload: string, timeoutSeconds = 120): Promise<void> {
    try {
      await this.kubectl('rollout', 'status', workload, `--timeout=${timeoutSeconds}s`);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.state()}`, { cause: error });
    }
  }

  /** The names of the pods that a selector finds and that are not being deleted. */
  async pods(selector: string): Promise<string[]> {
    const pods = await this.podList(selector);
    return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
  }

  async podList(selector: string): Promise<readonly PodState[]> {
    return (JSON.parse(await this.kubectl('get', 'pods', '-l', selector, '-o', 'json')) as { items: PodState[] }).items;
  }

  async pod(name: string): Promise<PodState> {
    return JSON.parse(await this.kubectl('get', 'pod', name, '-o', 'json')) as PodState;
  }

  /** Evicts a pod as a drain does. @throws when a PodDisruptionBudget does not allow it now */
  async evict(pod: string): Promise<void> {
    const path = `/api/v1/namespaces/${this.name}/pods/${pod}/eviction`;
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace: this.name } };
    await run('kubectl', ['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
  }

  /** Forwards a free port of this machine to a port of a pod or Service. */
  async forward(target: string, port: number): Promise<string> {
    const args = ['-n', this.name, 'port-forward', '--address', '127.0.0.1', target, `:${port}`];
    const forward = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#forwards.add(forward);
    let output = '';
    for (const stream of [forward.stdout, forward.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output = `${output}${text}`.slice(-10_000)));
    }
    for (const endMs = performance.now() + FORWARD_MS; performance.now() < endMs; await sleep(50)) {
      const local = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(output)?.[1];
      if (local !== undefined) return `http://127.0.0.1:${local}`;
      if (forward.exitCode !== null) break;
    }
    forward.kill('SIGKILL');
    throw new Error(`kubectl ${args.join(' ')}: ${output}`);
  }

  /** What is where, for a message about something that does not come up. */
  async state(): Promise<string> {
    const pods = await this.kubectl('get', 'pods', '-o', 'wide');
    const events = await this.kubectl('get', 'events', '--sort-by=.lastTimestamp');
    return `${pods}\n${events.split('\n').slice(-8).join('\n')}`;
  }
}

export interface PodState {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly containerStatuses?: readonly ContainerState[];
  };
}

interface ContainerState {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly lastState: { readonly terminated?: { readonly reason?: string; readonly exitCode?: number } };
}
