import { eventually } from '@sink/testing';
import { afterEach, expect, it } from 'vitest';
import { FAULTLESS, judge } from '../harness/oracle.ts';
import { Pipeline, type Service } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

const WORKERS = 2;

/** The pids of all workers of an ingest that have accepted events. The last ones are alive. */
function workerPids({ process }: Service): readonly number[] {
  return [...process.output().matchAll(/"pid":(\d+),.*"msg":"taking events"/g)].map(([, pid]) => Number(pid));
}

/** Waits until so many workers have started, because an ingest is ready with its first worker. */
async function started(ingest: Service, workers: number): Promise<void> {
  const enough = (): boolean => workerPids(ingest).length >= workers;
  await eventually(enough, { timeoutMs: 20_000 });
}

it.runIf(process.platform === 'linux')(
  'two workers of one ingest, SIGKILLed in turn under load, then stopped: every acknowledged event exactly once',
  { timeout: 240_000 },
  async () => {
    const sink = (pipeline = await Pipeline.start({
      settings: { SINK_FLUSH_SIZE: '50', SINK_INGEST_WORKERS: String(WORKERS) },
    }));
    const [ingest] = sink.of('ingest');
    if (!ingest) throw new Error('there is no ingest');
    const producers = new Producers(() => [ingest], 24);
    await started(ingest, WORKERS);
    for (let round = 1; round <= 4; round++) {
      await producers.acknowledgedMore(300);
      // The older of the two running workers.
      const victim = workerPids(ingest).at(-2);
      if (victim === undefined) throw new Error('there are not two workers');
      const before = workerPids(ingest).length;
      process.kill(victim, 'SIGKILL');
      await started(ingest, before + 1);
    }
    await producers.acknowledgedMore(300);
    const cutOff = producers.statuses.get('none') ?? 0;
    // A stop under load: requests in flight are answered first.
    expect(await ingest.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    await sink.revive(ingest);
    await producers.acknowledgedMore(300);
    await producers.stop();
    await sink.drained();
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
    // The kills had an effect. Counted before the stop, during which requests also get no answer.
    expect(cutOff).toBeGreaterThan(0);
  },
);
