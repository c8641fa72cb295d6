import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { ServiceName } from '../supervisor/service-command.ts';

/**
 * Takes the place of a service in the tests of the supervisor, and prints what happens to it. `SCRIPT_<NAME>` in the
 * environment: `stubborn` ignores signals, `misconfigured` exits with 78, `slow` stops after 400 ms, `troubled` has a
 * problem for three seconds. It takes each configuration that it is handed.
 */
export async function runScripted(name: ServiceName): Promise<void> {
  const script = process.env[`SCRIPT_${name.toUpperCase()}`];
  const say = (what: string): void => {
    process.stdout.write(`${name} ${String(process.pid)} ${what}\n`);
  };
  if (script === 'misconfigured') process.exit(78);

  const server = createServer((_request, response) => {
    const troubled = script === 'troubled' && process.uptime() < 3;
    if (troubled) response.writeHead(503).end('{"ready":false,"problems":{"bucket":"no such bucket"}}');
    else response.end('{}');
  });
  server.listen(Number(process.env[`SINK_${name.toUpperCase()}_OPS_PORT`]), '127.0.0.1');
  await once(server, 'listening');
  say(`started ${JSON.stringify(process.argv.slice(2))} grace=${process.env['SINK_STOP_GRACE'] ?? ''}`);
  say(`redis ${process.env['SINK_REDIS_URL'] ?? 'none'}`);

  const settings = (config: unknown): string => JSON.stringify((config as { file: { values: unknown } }).file.values);
  say(`starts with ${settings(JSON.parse(readFileSync(0, 'utf8')))}`);
  process.on('message', (message: { readonly handing: number; readonly config: unknown }) => {
    say(`takes ${settings(message.config)}`);
    process.send?.({ taken: message.handing, silent: [] });
  });

  let stopping = false;
  const stop = (why: string): void => {
    say(`got ${why}`);
    if (script === 'stubborn' || stopping) return;
    stopping = true;
    setTimeout(
      () => {
        say('stopped');
        process.exit(0);
      },
      script === 'slow' ? 400 : 0,
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));
  process.once('disconnect', () => stop('disconnect'));
}
