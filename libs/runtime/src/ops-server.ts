import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Registry } from 'prom-client';
import { listen } from './listen.ts';
import type { Logger } from './logger.ts';
import type { Readiness } from './health.ts';
import type { WorkerReports } from './worker-reports.ts';

/** Answers of a service on its operations port beside those that all have: path -> what is answered as JSON. */
export type OpsPages = Map<string, () => Promise<unknown>>;

/** What a service does when it is asked to with POST: path -> the answer. `signal` aborts when the asker is gone. */
export type OpsActions = Map<string, (query: URLSearchParams, signal: AbortSignal) => Promise<OpsAnswer>>;

export interface OpsAnswer {
  readonly status: 200 | 202 | 400 | 409 | 503 | 504;
  readonly body: unknown;
}

export interface OpsServerOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  readiness: Readiness;
  registry: Registry;
  /** Worker processes of this service, whose health and metrics are included. */
  workers?: WorkerReports;
  pages?: OpsPages;
  actions?: OpsActions;
  log: Logger;
}

export interface OpsServer {
  port: number;
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;
/** prom-client calls these gauges of Node.js `…_total`, which Prometheus reserves for counters. Their names are in use. */
const GAUGE_NAMED_TOTAL = /^(# TYPE nodejs_active_\w+_total) gauge$/gm;

/**
 * Serves health and metrics of one service on its operations port: `/healthz` (200 while the event loop runs),
 * `/readyz` (200, or 503 with the problems by name; warnings do not count) and `/metrics` (Prometheus text).
 *
 * @throws ListenError
 */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const { host, port, readiness, registry, workers, pages, actions, log } = options;
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', async (c) => {
    const problems = { ...readiness.problems(), ...(await workers?.problems()) };
    const ready = Object.keys(problems).length === 0;
    const warnings = readiness.warnings();
    const more = Object.keys(warnings).length === 0 ? {} : { warnings };
    return c.json({ ready, problems, ...more }, ready ? 200 : 503);
  });
  app.get('/metrics', async (c) => {
    const metrics = await (workers?.metrics(registry) ?? registry.metrics());
    return c.body(metrics.replace(GAUGE_NAMED_TOTAL, '$1 untyped'), 200, { 'Content-Type': registry.contentType });
  });
  app.get('*', async (c) => {
    const page = pages?.get(c.req.path);
    return page === undefined ? c.notFound() : c.json(await page());
  });
  app.post('*', async (c) => {
    const action = actions?.get(c.req.path);
    if (action === undefined) return c.notFound();
    if (comesFromPage(c.req.raw.headers)) return c.text('a page in a browser may not do this\n', 403);
    const { status, body } = await action(new URL(c.req.url).searchParams, c.req.raw.signal);
    return c.json(body, status);
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

/** Whether a page of another origin may have sent it: the port asks for no credentials. curl and other programs say neither. */
function comesFromPage(headers: Headers): boolean {
  const site = headers.get('sec-fetch-site');
  return headers.has('origin') || (site !== null && site !== 'none' && site !== 'same-origin');
}
