import { spawnSync } from 'node:child_process';
import { eventually } from '@sink/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';
import { type Door, startDoor } from './door.ts';
import { Guide } from './guide.ts';

/** The guides whose programs need a toolchain and packages of their own, and what shows that the toolchain is there. */
const LANGUAGES = {
  go: ['go', 'version'],
  java: ['mvn', '--version'],
  python: ['python3', '--version'],
  rust: ['cargo', '--version'],
} as const;

let sink: Pipeline;
let door: Door;
beforeAll(async () => {
  sink = await Pipeline.start({ settings: { SINK_SCHEDULED_INTERVAL: '200ms' } });
  door = await startDoor(sink.of('ingest')[0]?.url ?? '');
});
afterAll(async () => {
  await door.close();
  await sink.stop();
});

for (const [name, [command, argument]] of Object.entries(LANGUAGES)) {
  const found = spawnSync(command, [argument]).status === 0;
  if (!found) console.log(`skipped the guide ${name}: there is no ${command}`);
  it.skipIf(!found)(
    `${name}: the program of the guide sends again what is refused, and the event is stored once`,
    { timeout: 600_000 },
    async () => {
      const guide = new Guide(name);
      door.refuseOnce();
      expect(await guide.run(door.url, { install: true })).toMatch(/stored$/m);
      const [shown] = guide.stored();
      await sink.drained();
      await eventually(async () => {
        const lines = [...(await sink.objects()).values()].flat();
        const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
        const [event, ...more] = events.filter(({ source }) => source === shown?.['source']);
        expect(more).toEqual([]);
        expect(withoutTime(event)).toEqual(withoutTime(shown));
      });
    },
  );
}

/** The SDKs add the time. */
function withoutTime(event: Record<string, unknown> = {}): Record<string, unknown> {
  return 'time' in event ? { ...event, time: 0 } : event;
}
