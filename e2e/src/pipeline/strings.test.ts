import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { afterEach, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

/** Modules that extend String would undo it, even when a service loads them late (libs/runtime/src/process.ts). */
it('services under load have fast access to the methods of strings', async () => {
  const directory = temporaryDirectory('strings');
  const watch = new URL('./strings-watch.mjs', import.meta.url).href;
  const sink = (pipeline = await Pipeline.start({
    environmentOf: () => ({ STRINGS_DIRECTORY: directory, NODE_OPTIONS: `--import ${watch}` }),
  }));
  const producers = new Producers(() => sink.of('ingest'), 4);
  await producers.acknowledgedMore(100);
  await producers.stop();
  await sink.drained();
  for (const { name, process } of sink.services) {
    const isFast = (): string => `${name}: ${readFileSync(join(directory, String(process.pid)), 'utf8')}`;
    await expect.poll(isFast, { timeout: 10_000 }).toBe(`${name}: true`);
  }
});
