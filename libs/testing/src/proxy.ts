import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** `requests`: from the client to the server; `answers`: from the server to the client. */
export type ProxyDirection = 'requests' | 'answers';

/** A TCP proxy on 127.0.0.1 that can fail as a network does. */
export interface Proxy {
  readonly host: string;
  readonly port: number;
  /** The connections that are open now. */
  connections(): number;
  /** Resets every open connection on both sides and loses the bytes in transit. New connections are accepted. */
  cut(): void;
  /**
   * Connections stay open and new ones are accepted, but neither bytes nor the end of a connection pass. When it is
   * switched off, the held bytes are delivered late, as after a partition; `cut()` loses them instead. In the direction
   * of the answers alone, the server handles a request and the client never gets its answer.
   */
  blackhole(on: boolean, direction?: ProxyDirection | 'both'): void;
  /** From now on every byte takes this long, in each direction. 0 ends it. */
  delay(delayMs: number): void;
  /** Refuses new connections (ECONNREFUSED) and keeps open ones. Resolves when it has taken effect. */
  refuse(on: boolean): Promise<void>;
  /** Resets open connections and stops listening. */
  close(): Promise<void>;
}

/** A direction buffers at most so many bytes while it delays. Above that, it stops reading. */
const HELD_BYTES_MAX = 1024 * 1024;

/** Starts a proxy in front of a server. While the server does not listen, connections are reset. */
export async function startProxy(target: { readonly host: string; readonly port: number }): Promise<Proxy> {
  const faults: Faults = { blackholed: { requests: false, answers: false }, delayMs: 0 };
  const open = new Set<Link>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const link = new Link(
      client,
      connect({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true }),
      faults,
    );
    client.setNoDelay(true);
    open.add(link);
    link.onClosed = () => open.delete(link);
  });
  const port = await listen(server, 0);

  const cut = (): void => {
    for (const link of open) link.reset();
  };
  const unlisten = async (): Promise<void> => {
    // The callback of close() waits for open connections, but the port is free at once.
    if (server.listening) server.close();
  };
  return {
    host: '127.0.0.1',
    port,
    connections: () => open.size,
    cut,
    blackhole: (on, direction = 'both') => {
      if (direction !== 'answers') faults.blackholed.requests = on;
      if (direction !== 'requests') faults.blackholed.answers = on;
      for (const link of open) link.faultsChanged();
    },
    delay: (delayMs) => {
      faults.delayMs = delayMs;
    },
    refuse: async (on) => {
      if (on) await unlisten();
      else if (!server.listening) await listen(server, port);
    },
    close: async () => {
      await unlisten();
      cut();
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

interface Faults {
  readonly blackholed: Record<ProxyDirection, boolean>;
  delayMs: number;
}

/** A client's connection and the connection to the server that belongs to it. */
class Link {
  onClosed: () => void = () => undefined;
  readonly #sockets: readonly [Socket, Socket];
  readonly #halves: readonly [Half, Half];

  constructor(client: Socket, upstream: Socket, faults: Faults) {
    this.#sockets = [client, upstream];
    const reset = (): void => this.reset();
    this.#halves = [
      new Half(client, upstream, 'requests', faults, reset),
      new Half(upstream, client, 'answers', faults, reset),
    ];
    let closed = 0;
    for (const socket of this.#sockets) {
      socket.on('close', () => {
        closed += 1;
        if (closed === this.#sockets.length) this.onClosed();
      });
    }
  }

  faultsChanged(): void {
    for (const half of this.#halves) half.flow();
  }

  reset(): void {
    for (const half of this.#halves) half.drop();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

/** One direction of a connection: forwards the bytes in order, after their delay and unless a fault stops them. */
class Half {
  readonly #to: Socket;
  readonly #from: Socket;
  readonly #direction: ProxyDirection;
  readonly #faults: Faults;
  readonly #reset: () => void;
  #held: { readonly what: Buffer | 'end' | 'reset'; readonly dueMs: number }[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #draining = false;
  #dropped = false;

  constructor(from: Socket, to: Socket, direction: ProxyDirection, faults: Faults, reset: () => void) {
    this.#from = from;
    this.#to = to;
    this.#direction = direction;
    this.#faults = faults;
    this.#reset = reset;
    from.on('data', (bytes: Buffer) => this.#hold(bytes));
    from.on('end', () => this.#hold('end'));
    from.on('error', () => this.#hold('reset'));
    to.on('drain', () => {
      this.#draining = false;
      this.flow();
    });
  }

  /** Forwards the bytes that are due, and schedules itself for the others. */
  flow(): void {
    clearTimeout(this.#timer);
    while (!this.#faults.blackholed[this.#direction] && !this.#draining && !this.#dropped) {
      const [next] = this.#held;
      if (!next) break;
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.flow(), Math.ceil(waitMs));
        break;
      }
      this.#held.shift();
      if (next.what === 'reset') {
        this.#reset();
      } else if (next.what === 'end') {
        this.#to.end();
      } else {
        this.#heldBytes -= next.what.length;
        if (!this.#to.destroyed) this.#draining = !this.#to.write(next.what);
      }
    }
    if (this.#heldBytes < HELD_BYTES_MAX) this.#from.resume();
  }

  /** Ends the connection: the held bytes never arrive. */
  drop(): void {
    this.#dropped = true;
    this.#held = [];
    this.#heldBytes = 0;
    clearTimeout(this.#timer);
  }

  #hold(what: Buffer | 'end' | 'reset'): void {
    if (this.#dropped) return;
    this.#held.push({ what, dueMs: performance.now() + this.#faults.delayMs });
    this.#heldBytes += Buffer.isBuffer(what) ? what.length : 0;
    if (this.#heldBytes >= HELD_BYTES_MAX) this.#from.pause();
    this.flow();
  }
}
