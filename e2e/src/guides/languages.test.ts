import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deliver, eventually, knative, vanus } from '@sink/testing';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';
import { type Door, startDoor } from './door.ts';
import { Guide, PackagesUnavailable } from './guide.ts';

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

function skipping(name: string, skip: TestContext['skip']): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof PackagesUnavailable)) throw error;
    console.log(`skipped the guide ${name}: its packages cannot be installed here: ${error.message}`);
    return skip(error.message);
  };
}

function has([command, argument]: readonly [string, string]): boolean {
  return spawnSync(command, [argument]).status === 0;
}

for (const [name, toolchain] of Object.entries(LANGUAGES)) {
  const found = has(toolchain);
  if (!found) console.log(`skipped the guide ${name}: there is no ${toolchain[0]}`);
  it.skipIf(!found)(
    `${name}: the program of the guide sends again what is refused, and the event is stored once`,
    { timeout: 600_000 },
    async ({ skip }) => {
      const guide = new Guide(name);
      door.refuseOnce();
      expect(await guide.run(door.url, { install: true }).catch(skipping(name, skip))).toMatch(/stored$/m);
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

it.skipIf(!has(LANGUAGES.go))(
  'the doubles of Vanus and Knative send what the Go SDK sends, which both use',
  { timeout: 600_000 },
  async ({ skip }) => {
    const received: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
    const server = createServer((request, response) => {
      request.setEncoding('utf8');
      let body = '';
      request.on('data', (text: string) => void (body += text));
      request.once('end', () => {
        received.push({ headers: request.headers, body });
        response.writeHead(202).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const id = 'n-é €%20%';
      const edit = (text: string): string => text.replace('"go-1"', JSON.stringify(id));
      await new Guide('go').run(url, { install: true, edit }).catch(skipping('go', skip));
      const event = {
        attributes: { id, source: '/guides/go', type: 'order.created', time: '' },
        datacontenttype: 'application/json',
        data: '{"order":17}',
      };
      for (const sender of [vanus(event), knative(event)]) await deliver(url, sender);
      const [sdk, ...doubles] = received;
      for (const double of doubles) {
        expect(double.body).toBe(sdk?.body);
        expect(ofTheSdk(double.headers)).toEqual(ofTheSdk(sdk?.headers ?? {}));
      }
      expect(Buffer.from(String(sdk?.headers['ce-id']), 'latin1').toString()).toBe(id);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  },
);

/** Without what the brokers add, what concerns the connection, and the values that differ by their nature. */
function ofTheSdk(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const added = /^(ce-xvanus|ce-knative|kn-|prefer$|traceparent$|connection$|host$)/;
  const kept = Object.entries(headers).filter(([name]) => !added.test(name));
  return { ...Object.fromEntries(kept), 'ce-time': '', 'user-agent': headers['user-agent']?.replace(/\/.*/, '') };
}

/** The SDKs add the time. */
function withoutTime(event: Record<string, unknown> = {}): Record<string, unknown> {
  return 'time' in event ? { ...event, time: 0 } : event;
}
