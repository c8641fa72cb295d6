import { spawn, type ChildProcess } from 'node:child_process';

/** `[NEW] tcp 6 120 SYN_SENT src=10.244.0.9 dst=10.96.3.4 sport=40122 dport=8080 [UNREPLIED] src=10.244.0.7 dst=10.244.0.9 …` */
const NEW = /src=(\S+) dst=\S+ sport=(\d+) dport=\d+ .*?src=(\S+) /;

/**
 * Which pod each connection of the producers goes to. kube-proxy hides it from both ends; the node's table of connections
 * (`conntrack`) has it. Only where this process sees the network of the node.
 */
export class Connections {
  readonly #watch: ChildProcess;
  readonly #podOf = new Map<string, string>();
  #failed = '';

  /** @param port the port of ingest, as the producers address it */
  constructor(port: number) {
    this.#watch = spawn('conntrack', ['-E', '-p', 'tcp', '-e', 'NEW', '--orig-port-dst', String(port)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let rest = '';
    this.#watch.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [, client = '', clientPort = '', pod = ''] = NEW.exec(line) ?? [];
        this.#podOf.set(`${client}:${clientPort}`, pod);
      }
    });
    this.#watch.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#failed += text));
    this.#watch.on('error', (error) => (this.#failed += error.message));
  }

  /** The address of the pod; null when it is not known. */
  podOf(client: string, clientPort: number): string | null {
    return this.#podOf.get(`${client}:${clientPort}`) ?? null;
  }

  get seen(): number {
    return this.#podOf.size;
  }

  /** Why it sees nothing; empty when there is no reason. */
  get failed(): string {
    return this.#failed.trim();
  }

  stop(): void {
    this.#watch.kill('SIGKILL');
  }
}
