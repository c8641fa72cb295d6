/**
 * The producers of a run, as a pod of the cluster: they send to a Service by its name, over connections that they keep.
 *
 *     node load.mjs --url URL [--name NAME] [--pause-ms N] [--port N]     the ids of the events begin with the name
 *
 *     POST /start?producers=N   adds producers
 *     POST /stop                ends when what is being sent is acknowledged
 *     GET  /progress            {"acknowledged", "answers", "failed"} so far
 *     GET  /failures            each request that got no 2xx (FailedRequest)
 *     GET  /tries               NDJSON: each attempt at an event, as the oracle takes it
 */
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Producers } from '../harness/producer.ts';
import { FailedRequests } from './failed-requests.ts';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    name: { type: 'string', default: 'load' },
    'pause-ms': { type: 'string', default: '0' },
    port: { type: 'string', default: '9000' },
  },
});
const { url } = values;
if (url === undefined) throw new Error('--url is missing');
const failed = new FailedRequests();
failed.watch();
const producers = new Producers(() => [{ name: 'service', url }], 0, {
  pauseMs: Number(values['pause-ms']),
  idPrefix: `${values.name}-`,
});

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://load');
  const json = (value: unknown): void => void response.end(`${JSON.stringify(value)}\n`);
  switch (`${request.method ?? ''} ${pathname}`) {
    case 'POST /start':
      producers.start(Number(searchParams.get('producers') ?? '1'));
      return json({});
    case 'POST /stop':
      void producers.stop().then(() => json({}));
      return;
    case 'GET /progress':
      return json({
        acknowledged: producers.acknowledgedTries,
        answers: Object.fromEntries(producers.statuses),
        failed: failed.all.length,
      });
    case 'GET /failures':
      return json(failed.all);
    case 'GET /tries':
      for (const one of producers.tries) response.write(`${JSON.stringify(one)}\n`);
      response.end();
      return;
    default:
      response.writeHead(404).end();
  }
});
server.listen(Number(values.port), '0.0.0.0');
process.once('SIGTERM', () => process.exit(0));
