import { spawn, type ChildProcess } from 'node:child_process';

/** `… src=10.244.0.9 dst=10.96.3.4 sport=40122 dport=8080 [UNREPLIED] src=10.244.0.7 dst=10.244.0.9 …` */
const CONNECTION = /src=(\S+) dst=\S+ sport=(\d+) dport=\d+ .*?src=(\S+) /;

/**
 * Which pod each connection of the producers goes to. kube-proxy hides it from both ends; the node's table of connections
 * (`conntrack`) has it. Only where this process sees the network of the node.
 */
export class Connections {
  readonly #watches: readonly ChildProcess[];
  readonly #podOf = new Map<string, string>();
  #problem: string | null = null;

  /** @param port the port of ingest, as the producers address it */
  constructor(port: number) {
    const ours = ['-p', 'tcp', '--orig-port-dst', String(port)];
    // The new ones, and those that are there.
    this.#watches = [
      ['-E', '-e', 'NEW', ...ours],
      ['-L', ...ours],
    ].map((args) => this.#read(args));
  }

  /** The address of the pod; null when it is not known. */
  podOf(client: string, clientPort: number): string | null {
    return this.#podOf.get(`${client}:${clientPort}`) ?? null;
  }

  /** Null: the connections are known. */
  get problem(): string | null {
    return this.#podOf.size === 0 ? (this.#problem ?? 'conntrack shows no connection') : null;
  }

  stop(): void {
    for (const watch of this.#watches) watch.kill('SIGKILL');
  }

  #read(args: readonly string[]): ChildProcess {
    const watch = spawn('conntrack', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let rest = '';
    watch.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [, client, clientPort, pod] = CONNECTION.exec(line) ?? [];
        if (pod !== undefined) this.#podOf.set(`${client ?? ''}:${clientPort ?? ''}`, pod);
      }
    });
    watch.on('error', ({ message }) => (this.#problem = message));
    return watch;
  }
}
