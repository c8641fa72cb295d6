import { readdirSync, readFileSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { type Clock, FailureReporter, findFreePort, listen, type Logger } from '@sink/runtime';
import type { IngestMetrics } from '../metrics.ts';

/**
 * libuv accepts one connection per listening socket in a turn of the loop. While a turn takes milliseconds, because many
 * bodies arrive, one socket would let in a hundred connections a second. The system spreads connections over several.
 */
const LISTENING_SOCKETS = 32;
/**
 * Connections that may wait to be accepted. Vanus opens up to 10,000 at once. Beyond Node's default of 511 the system drops
 * them, and a client tries again after one, three and seven seconds: longer than it waits for an answer.
 */
const ACCEPT_BACKLOG = 16_384;
/** Node may read this many bytes of a body by itself, before there is room for it. */
export const HIGH_WATER_MARK = 16_384;
/** Files that the process still opens when all connections are taken: connections to Redis, of the operations port, modules. */
const RESERVED_FILES = 64;

export interface AcceptorsSettings {
  readonly host: string;
  readonly port: number;
  /** How many files this process may have open, connections included; null: not known, or no limit. */
  readonly openFilesMax: number | null;
}

export interface AcceptorsPorts {
  readonly metrics: Pick<IngestMetrics, 'connectionDropped'>;
  /** Other workers listen on the same port. */
  readonly sharedPort: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The listening sockets of one HTTP server. */
export interface Acceptors {
  readonly port: number;
  /** Accepts no more; calls back when all connections have ended. */
  close(closed: () => void): void;
}

/** @throws ListenError when the address cannot be listened on */
export async function openAcceptors(
  http: HttpServer,
  { host, port: wanted, openFilesMax: filesMax }: AcceptorsSettings,
  ports: AcceptorsPorts,
): Promise<Acceptors> {
  const several = process.platform === 'linux';
  // Sockets that share a port do not notice that another program has it.
  const free = several && !ports.sharedPort ? await findFreePort(host, wanted) : wanted;
  const options = { backlog: ACCEPT_BACKLOG, reusePort: several || ports.sharedPort };
  await listen(http, free, host, options);
  const { port } = http.address() as AddressInfo;

  const servers: Server[] = [http];
  for (let more = 1; several && more < LISTENING_SOCKETS; more++) {
    const server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER_MARK });
    server.on('connection', (socket) => http.emit('connection', socket));
    await listen(server, port, host, options);
    servers.push(server);
  }
  if (filesMax !== null) limitConnections(servers, filesMax, ports);
  return {
    port,
    close: (closed) => {
      let open = servers.length;
      const closedOne = (): void => {
        open -= 1;
        if (open === 0) closed();
      };
      for (const server of servers) server.close(closedOne);
    },
  };
}

/** How many files this process may have open (`ulimit -n`); null: no limit, or the system does not say. */
export function openFilesMax(): number | null {
  try {
    const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return /^\d+$/.test(soft) ? Number(soft) : null;
  } catch {
    return null;
  }
}

/**
 * Takes no more connections than there are file descriptors for, less some for everything else. Without a limit libuv
 * accepts and closes each further connection by itself: neither a log nor a metric would show it, and Redis could not be
 * connected to again.
 */
function limitConnections(servers: readonly Server[], filesMax: number, { metrics, log, clock }: AcceptorsPorts): void {
  const connectionsMax = Math.max(1, filesMax - openFiles() - RESERVED_FILES);
  const failing = 'no file descriptor is left for another connection: raise the limit of open files (ulimit -n)';
  const reporter = new FailureReporter({ log, clock }, { name: 'accepting connections', failing, working: null });
  let connections = 0;
  const count = (change: 1 | -1): void => {
    const wasFull = connections >= connectionsMax;
    connections += change;
    const isFull = connections >= connectionsMax;
    // Of a server with `maxConnections` 0, each new connection is a 'drop'.
    if (isFull !== wasFull) for (const server of servers) server.maxConnections = isFull ? 0 : Infinity;
  };
  const [http] = servers;
  // All connections come by the HTTP server.
  http?.on('connection', (socket) => {
    count(1);
    socket.once('close', () => count(-1));
  });
  for (const server of servers) {
    server.on('drop', () => {
      metrics.connectionDropped();
      reporter.failed({ connectionsMax, filesMax });
    });
  }
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}
