import type { AddressInfo, Server as NetServer } from 'node:net';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Registry } from 'prom-client';
import type { Logger } from './logger.ts';
import type { Readiness } from './readiness.ts';
import type { WorkerReports } from './worker-reports.ts';

export interface OpsServerOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  readiness: Readiness;
  registry: Registry;
  /** Worker processes that do the work of this service: they are counted in. */
  workers?: WorkerReports;
  log: Logger;
}

export interface OpsServer {
  port: number;
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Health and metrics of one service, on a port of their own: `/healthz` (200 while the process turns its event loop),
 * `/readyz` (200, or 503 with the problems by name), `/metrics` (Prometheus text).
 *
 * @throws when the address cannot be listened on
 */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const { host, port, readiness, registry, workers, log } = options;
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', async (c) => {
    const problems = { ...readiness.problems(), ...(await workers?.problems()) };
    const ready = Object.keys(problems).length === 0;
    return c.json({ ready, problems }, ready ? 200 : 503);
  });
  app.get('/metrics', async (c) => {
    const metrics = await (workers?.metrics(registry) ?? registry.metrics());
    return c.body(metrics, 200, { 'Content-Type': registry.contentType });
  });
  app.onError((error, c) => {
    log.error({ err: error, path: c.req.path }, 'answering a request on the operations port failed');
    return c.text('internal error\n', 500);
  });

  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
  }) as Server;
  await listen(server, port, host);
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

export interface ListenOptions {
  /** Connections that may wait to be accepted; the system's own limit (net.core.somaxconn) may be lower. */
  backlog?: number;
  /** Shares the port with other processes of this user that ask for the same: the system spreads the connections. */
  reusePort?: boolean;
}

/** Listens, or throws an error that says on what and why not. */
export async function listen(
  server: NetServer,
  port: number,
  host: string,
  options: ListenOptions = {},
): Promise<void> {
  try {
    server.listen({ port, host, ...options });
    await once(server, 'listening');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`listening on ${host}:${port}: ${reason}`, { cause });
  }
}
