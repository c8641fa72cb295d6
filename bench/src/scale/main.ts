/**
 * Measures what a second process of a service adds when each is limited to a fixed share of a core. Also measures 1, 2
 * and 4 lanes, and their cost for one ingest:
 *
 *     npm run scale -- [--seconds N] [--connections N]
 *
 * Only the measured service is limited, so that it is the bottleneck; for the lanes, all three services are. The limits
 * are control groups, which need Linux and root. Elsewhere it runs without limits and logs that: then the figures show
 * the machine, not the sink.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadGenerator } from '../load/load.ts';
import { traffic } from '../load/traffic.ts';
import { positive } from '../options.ts';
import { writeResults } from '../report/results.ts';
import { SETTINGS, startBareServer } from '../sink/processes.ts';
import type { ServiceName } from '../sink/service.ts';
import { CpuShares } from './cpu-share.ts';
import { SCALE_SETTINGS, ScaledSink, type Shape } from './scaled-sink.ts';

const WARM_UP_SECONDS = 2;
/** So low that two of them, the load and Redis fit on two cores, and each is the bottleneck by itself. */
const CORES = { ingest: 0.2, batcher: 0.1, uploader: 0.05 } as const;
const LANES = [1, 2, 4];
const ONE_EACH = { ingest: 1, batcher: 1, uploader: 1 };

interface Case {
  readonly title: string;
  /** The service whose events are counted. */
  readonly measured: ServiceName;
  readonly shape: Shape;
}
interface Row {
  readonly title: string;
  readonly perSecond: number;
  /** Relative to the first row of its group. */
  readonly ratio: number;
}

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '6' }, connections: { type: 'string', default: '32' } },
});
const seconds = positive('seconds', values.seconds);
/** Of all ingests together. */
const connections = positive('connections', values.connections);
const startedAt = new Date();
const load = await loadGenerator();
const messages = traffic('batch');
const opened = CpuShares.open();
const shares = typeof opened === 'string' ? null : opened;
if (typeof opened === 'string') {
  console.log(
    `NOT HELD: processes cannot be held to a share of a core here (${opened}); these figures show the machine`,
  );
}
const rows: Row[] = [];
try {
  rows.push(await measureBareServer());
  for (const group of groups()) {
    let first: number | null = null;
    for (const one of group) {
      const perSecond = await measure(one);
      first ??= perSecond;
      rows.push({ title: one.title, perSecond, ratio: perSecond / first });
      console.log(`${one.title}: ${Math.round(perSecond)} events/s`);
    }
  }
} finally {
  // A late case that fails must not lose the results of the earlier ones.
  if (rows.length > 0) console.log(`\n${table()}\n\nwritten to ${write()}`);
  shares?.close();
}

function table(): string {
  const line = ({ title, perSecond, ratio }: Row): string =>
    `| ${title} | ${Math.round(perSecond).toLocaleString('en-US')} | ${ratio.toFixed(2)} |`;
  return ['| | events/s | to one |', '| --- | ---: | ---: |', ...rows.map(line)].join('\n');
}

function groups(): readonly (readonly Case[])[] {
  const of = (service: ServiceName, count: number, lanes: number): Case => ({
    title: `${plural(count, service)}, ${CORES[service]} core each, ${plural(lanes, 'lane')}`,
    measured: service,
    shape: { counts: { ...ONE_EACH, [service]: count }, workers: 1, lanes, cores: { [service]: CORES[service] } },
  });
  const second = (service: ServiceName, lanes: number): Case[] => [of(service, 1, lanes), of(service, 2, lanes)];
  const workers: Case = {
    title: `1 ingest with 2 workers, ${CORES.ingest} core each, 1 lane`,
    measured: 'ingest',
    shape: { counts: ONE_EACH, workers: 2, lanes: 1, cores: { ingest: CORES.ingest } },
  };
  const lanes = (count: number): Case => ({
    title: `1 ingest with ${plural(count, 'lane')}, ${CORES.ingest} core, batcher and uploader as much`,
    measured: 'ingest',
    shape: {
      counts: ONE_EACH,
      workers: 1,
      lanes: count,
      cores: { ingest: CORES.ingest, batcher: CORES.ingest, uploader: CORES.ingest },
    },
  });
  return [
    [...second('ingest', 1), workers],
    second('ingest', 2),
    second('ingest', 4),
    ...(['batcher', 'uploader'] as const).flatMap((service) => LANES.map((count) => second(service, count))),
    LANES.map(lanes),
  ];
}

function plural(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** The reference: node:http that parses the same bodies, limited like one ingest. */
async function measureBareServer(): Promise<Row> {
  const server = await startBareServer();
  const all = { url: server.url, messages: messages.messages, connections };
  await load.run({ ...all, seconds: WARM_UP_SECONDS });
  shares?.hold(server.process.pid, CORES.ingest);
  const result = await load.run({ ...all, seconds });
  await server.process.kill();
  const perSecond = (result.acknowledged * messages.eventsPerMessage) / result.seconds;
  console.log(`bare server: ${Math.round(perSecond)} events/s`);
  return { title: `bare server, ${CORES.ingest} core`, perSecond, ratio: 1 };
}

/** The events a second of the measured service, in the middle of a load. @throws when there were none */
async function measure({ title, measured, shape }: Case): Promise<number> {
  const sink = await ScaledSink.start(shape);
  try {
    const each = Math.max(1, Math.round(connections / sink.urls.length));
    const send = async (loadSeconds: number): Promise<void> => {
      const all = { messages: messages.messages, connections: each, seconds: loadSeconds };
      const results = await Promise.all(sink.urls.map((url) => load.run({ url, ...all })));
      const failed = results.reduce((sum, result) => sum + result.failed, 0);
      if (failed > 0) throw new Error(`measuring ${title}: ${failed} requests got no 2xx`);
    };
    await send(WARM_UP_SECONDS);
    if (shares !== null) sink.hold(shares);
    const [, perSecond] = await Promise.all([send(seconds + WARM_UP_SECONDS + 1), rate(sink, measured)]);
    if (!(perSecond > 0)) throw new Error(`measuring ${title}: ${measured} finished no event`);
    return perSecond;
  } finally {
    await sink.stop();
  }
}

async function rate(sink: ScaledSink, measured: ServiceName): Promise<number> {
  await sleep(WARM_UP_SECONDS * 1000);
  const [before, beforeMs] = [await sink.done(measured), performance.now()];
  await sleep(seconds * 1000);
  const [after, afterMs] = [await sink.done(measured), performance.now()];
  return ((after - before) / (afterMs - beforeMs)) * 1000;
}

function write(): string {
  return writeResults('scale-', startedAt, {
    loadGenerator: load.name,
    held: shares !== null,
    cores: CORES,
    seconds,
    connections,
    sinkSettings: { ...SETTINGS, ...SCALE_SETTINGS },
    rows,
  });
}
