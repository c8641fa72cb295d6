import type { HttpBindings } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { INTERNAL, NO_BODY } from './answers.ts';
import { EventRoute, type EventRouteOptions, type EventSettings } from './event-route.ts';
import { ALLOW, handshake, type HandshakeSettings } from './handshake.ts';
import type { JointReadiness } from './joint-readiness.ts';

export interface RoutesOptions extends EventRouteOptions {
  settings: RouteSettings;
  readiness: JointReadiness;
  /** Runs before every route, in this order, and before the body of a request is read. */
  middleware: readonly IngestMiddleware[];
}

export interface RouteSettings extends EventSettings, HandshakeSettings {}

interface IngestEnv {
  Bindings: HttpBindings;
}

export type IngestApp = Hono<IngestEnv>;
export type IngestMiddleware = MiddlewareHandler<IngestEnv>;

/** All routes of ingest's main port: events by POST or PUT on any path, the webhook handshake by OPTIONS, health by GET. */
export function createRoutes(options: RoutesOptions): IngestApp {
  const { metrics, readiness, log } = options;
  const events = new EventRoute(options);
  const app: IngestApp = new Hono();

  for (const middleware of options.middleware) app.use(middleware);

  app.on(['POST', 'PUT'], '*', ({ env }) => events.take(env.incoming, env.outgoing));

  app.options('*', async (c) => {
    const headers = await handshake(c.env.incoming, options.settings, options.producers ?? null);
    metrics.answered(200);
    return c.body(null, 200, { ...NO_BODY, ...headers });
  });

  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', async (c) => {
    const answer = await readiness.answer(c.req.query('all') !== undefined);
    return c.json(answer, answer.ready ? 200 : 503);
  });

  // POST and PUT are allowed on every path, so a request without a route has another method.
  app.notFound(({ env, req }) =>
    events.refuse(env.incoming, env.outgoing, {
      status: 405,
      reason: 'method',
      message: `events are taken by POST or PUT, not ${req.method}`,
      headers: { Allow: ALLOW },
    }),
  );

  app.onError((error, { env }) => {
    // The answer of a middleware, such as the 401 of Hono's bearerAuth.
    if (error instanceof HTTPException) return error.getResponse();
    log.error({ err: error }, 'handling a request failed');
    return events.refuse(env.incoming, env.outgoing, INTERNAL);
  });
  return app;
}
