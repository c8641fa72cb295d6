import { readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { type Clock, FailureReporter, type Logger } from '@sink/runtime';
import type { IngestMetrics } from '../metrics.ts';

/** Files that the process still opens when all connections are taken: connections to Redis, of the operations port, modules. */
const RESERVED_FILES = 64;
const LOG_EVERY_MS = 10_000;

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
export function limitConnections(
  server: Server,
  filesMax: number | null,
  { metrics, log, clock }: { metrics: IngestMetrics; log: Logger; clock: Clock },
): void {
  if (filesMax === null) return;
  const connectionsMax = Math.max(1, filesMax - openFiles() - RESERVED_FILES);
  const reporter = new FailureReporter(
    { log, clock },
    {
      name: 'accepting connections',
      failing:
        'no file descriptor is left for another connection, which is closed unheard: raise the limit of open files (ulimit -n)',
      working: null,
      logEveryMs: LOG_EVERY_MS,
    },
  );
  server.maxConnections = connectionsMax;
  server.on('drop', () => {
    metrics.connectionDropped();
    reporter.failed({ connectionsMax, filesMax });
  });
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}
