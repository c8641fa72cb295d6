import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  argoEvents,
  asStructuredCloudEvent,
  deliver,
  eventBridge,
  eventGrid,
  eventGridHandshake,
  eventually,
  knative,
  type Sender,
  temporaryDirectory,
  vanus,
} from '@sink/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';
import { argoTrigger, knativeDelivery, producersOf } from './broker-configs.ts';
import { type Door, startDoor } from './door.ts';
import { Guide } from './guide.ts';

let sink: Pipeline;
let url: string;
/** An ingest that lets in only the producers of the guides. */
let closedUrl: string;
let door: Door;
beforeAll(async () => {
  sink = await Pipeline.start({
    ingests: 2,
    environmentOf: (name) => (name === 'ingest-2' ? closedToOthers() : {}),
    settings: {
      SINK_SCHEDULED_INTERVAL: '200ms',
      SINK_HOLD_MAX: '300ms',
      SINK_DEDUPE_WINDOW: '25h',
      SINK_MAX_FINGERPRINTS: '10000',
      SINK_RECEIPTS_MAX: '1000',
    },
  });
  url = sink.of('ingest')[0]?.url ?? '';
  closedUrl = sink.of('ingest')[1]?.url ?? '';
  door = await startDoor(url);
});
afterAll(async () => {
  await door.close();
  await sink.stop();
});

const SECRET = 'a-secret-of-the-guides';

/** The producers of the guides, with a file of secrets that exists. */
function closedToOthers(): Readonly<Record<string, string>> {
  const file = join(temporaryDirectory('guides'), 'secret');
  writeFileSync(file, `${SECRET}\n`);
  const producers = [
    ...producersOf(new Guide('vanus').file('producers.yml')),
    ...producersOf(new Guide('event-grid').file('config.yml')),
    ...producersOf(new Guide('eventbridge').file('config.yml')),
  ];
  const text = JSON.stringify(producers).replaceAll(/"\/secrets\/[\w-]+"/g, JSON.stringify(file));
  return { SINK_PRODUCERS: text, SINK_WEBHOOK_ALLOWED_ORIGINS: 'eventgrid.azure.net' };
}

type Event = Readonly<Record<string, unknown>>;

/** The events of a source in the bucket, in the order of their ids, once there are so many. */
async function stored(source: string, count: number): Promise<Event[]> {
  return eventually(async () => {
    const lines = [...(await sink.objects()).values()].flat();
    const events = lines.map((line) => JSON.parse(line) as Event).filter((event) => event['source'] === source);
    expect(events.length).toBeGreaterThanOrEqual(count);
    return events.sort((a, b) => String(a['id']).localeCompare(String(b['id'])));
  });
}

describe('the commands and programs of the guide, unchanged', () => {
  for (const name of ['curl', 'javascript']) {
    it(`${name}: what is refused at first is sent again, and what the guide shows is stored, once`, async () => {
      const guide = new Guide(name);
      door.refuseOnce();
      await guide.run(door.url, { install: false });
      const shown = guide.stored();
      const events = await stored(String(shown[0]?.['source']), shown.length);
      expect(events.map((event) => ('time' in event ? { ...event, time: 0 } : event))).toEqual(
        shown.map((event) => ('time' in event ? { ...event, time: 0 } : event)),
      );
    });
  }
});

const ATTRIBUTES = { id: 'é-1', type: 'order.created', subject: '€ "q" % 100%' };
const DATA = { datacontenttype: 'application/json', data: '{"order":17.10}' };

/** What each broker sends, with the configuration of its guide. */
function senders(): Record<string, { readonly source: string; readonly sender: Sender; readonly lines: Event[] }> {
  const structured = (source: string, id: string) => ({ specversion: '1.0', id, source, type: 't', data: { id } });
  const batch = Array.from({ length: 500 }, (_, n) => structured('/event-grid/batch', String(n).padStart(3, '0')));
  const attributes = (source: string) => ({ ...ATTRIBUTES, source });
  const inBinary = (source: string, added: object) => ({
    ...attributes(source),
    ...added,
    specversion: '1.0',
    datacontenttype: 'application/json',
    data: { order: 17.1 },
  });
  const argo = {
    context: {
      specversion: '1.0',
      id: '1',
      source: 'webhook',
      type: 'webhook',
      subject: 'orders',
      time: '2026-11-28T12:00:00Z',
    },
    data: { header: {}, body: { order: 17, list: [1, null] } },
  };
  const aws = {
    id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
    source: 'aws.events',
    'detail-type': 'Scheduled Event',
    time: '2026-11-28T12:00:00Z',
    detail: { order: 17 },
  };
  const { body, headerParameters } = asStructuredCloudEvent(aws);
  return {
    Vanus: {
      source: '/vanus',
      sender: vanus({ attributes: attributes('/vanus'), ...DATA }),
      lines: [expect.objectContaining(inBinary('/vanus', {})) as Event],
    },
    Knative: {
      source: '/knative',
      sender: knative(
        { attributes: attributes('/knative'), ...DATA },
        knativeDelivery(new Guide('knative').file('knative.yaml')),
      ),
      lines: [inBinary('/knative', { knativearrivaltime: '2026-11-28T11:59:59.999999999Z' })],
    },
    'Argo Events': {
      source: 'webhook',
      sender: argoEvents(argo, argoTrigger(new Guide('argo-events').file('sensor.yaml'))),
      lines: [{ ...argo.context, data: argo.data.body }],
    },
    'Event Grid': {
      source: '/event-grid',
      sender: eventGrid([structured('/event-grid', '1')]),
      lines: [structured('/event-grid', '1')],
    },
    'Event Grid with batches': {
      source: '/event-grid/batch',
      sender: eventGrid(batch, { batching: true }),
      lines: batch,
    },
    EventBridge: {
      source: 'aws.events',
      sender: eventBridge(body, { method: 'PUT', headerParameters }),
      lines: [JSON.parse(body) as Event],
    },
  };
}

describe('the senders of brokers', () => {
  it('deliver while Redis stops and comes back, and each event is stored once, as it was sent', async () => {
    const all = Object.entries(senders());
    const resumed = Promise.withResolvers<undefined>();
    let refused = 0;
    // Instead of waiting for minutes: until all are refused.
    const wait = async (): Promise<void> => {
      refused += 1;
      if (refused === all.length) {
        sink.redis.signal('SIGCONT');
        resumed.resolve(undefined);
      }
      await resumed.promise;
    };
    sink.redis.signal('SIGSTOP');
    const deliveries = await Promise.all(
      all.map(async ([name, { sender, ...rest }]) => ({
        name,
        delivery: await deliver(url, sender, { wait }),
        ...rest,
      })),
    );
    await sink.drained();
    for (const { name, delivery, source, lines } of deliveries) {
      expect(delivery, name).toMatchObject({ outcome: 'delivered', statuses: [503, 202] });
      expect(await stored(source, lines.length), name).toEqual(lines);
    }
  });

  it('give up an event that is none, and the sink names the mistake; a batch is refused as a whole', async () => {
    const none = { specversion: '1.0', id: '1', source: '/none' };
    const good = { ...none, type: 't' };
    const { body } = asStructuredCloudEvent({ id: '', source: '/none', 'detail-type': 't', time: '', detail: 1 });
    for (const sender of [
      vanus({ attributes: { id: '', source: '/none', type: 't' } }),
      knative({ attributes: { id: '', source: '/none', type: 't' } }, { retry: 3 }),
      eventGrid([none]),
      eventGrid([good, none], { batching: true }),
      eventBridge(body, { headerParameters: { 'Content-Type': 'application/cloudevents+json' } }),
    ]) {
      expect(await deliver(url, sender)).toEqual({ outcome: 'given_up', statuses: [400], waitsMs: [] });
    }
  });

  it('are let in with the credentials of their guides, and give up, or go on, with others', async () => {
    const at = (secret: string) => closedUrl.replace('http://', `http://vanus:${secret}@`);
    const event = { attributes: { id: '1', source: '/closed/vanus', type: 't' } };
    expect(await deliver(at(SECRET), vanus(event))).toMatchObject({ statuses: [202] });
    expect(await deliver(at('other'), vanus(event))).toMatchObject({ outcome: 'given_up', statuses: [401] });

    const grid = [{ specversion: '1.0', id: '1', source: '/closed/grid', type: 't' }];
    const query = (secret: string) => `${closedUrl}/?code=${secret}`;
    expect(await eventGridHandshake(query(SECRET))).toBe(true);
    for (const batching of [false, true]) {
      expect(await deliver(query(SECRET), eventGrid(grid, { batching }))).toMatchObject({ statuses: [202] });
      const refused = { outcome: 'given_up', statuses: [401] };
      expect(await deliver(query('other'), eventGrid(grid, { batching }))).toMatchObject(refused);
    }

    const guide = JSON.parse(new Guide('eventbridge').file('targets.json')) as [
      { HttpParameters: { HeaderParameters: Record<string, string> }; InputTransformer: { InputTemplate: string } },
    ];
    const { HttpParameters, InputTransformer } = guide[0];
    const values: Record<string, unknown> = {
      id: '1',
      source: '/closed/aws',
      type: 't',
      time: '2026-11-28T12:00:00Z',
      detail: { order: 17 },
    };
    const body = InputTransformer.InputTemplate.replace(/<(\w+)>/g, (_, name: string) => JSON.stringify(values[name]));
    const bridge = (secret: string) =>
      eventBridge(body, {
        headerParameters: HttpParameters.HeaderParameters,
        authorization: { 'X-Api-Key': secret },
      });
    expect(await deliver(closedUrl, bridge(SECRET))).toMatchObject({ statuses: [202] });
    // EventBridge repeats a 401: the secret may be replaced meanwhile.
    const wrong = await deliver(closedUrl, bridge('other'));
    expect(new Set(wrong.statuses)).toEqual(new Set([401]));
    expect(wrong.statuses.length).toBeGreaterThan(100);
    expect(await stored('/closed/aws', 1)).toEqual([JSON.parse(body)]);
    expect((await stored('/closed/vanus', 1)).length).toBe(1);
    expect((await stored('/closed/grid', 1)).length).toBe(1);
  });

  it('EventBridge without a header parameter sends no CloudEvent', async () => {
    const delivery = await deliver(url, eventBridge('{"detail-type":"Scheduled Event"}'));
    expect(delivery).toMatchObject({ outcome: 'given_up', statuses: [400] });
  });

  it('Event Grid creates its subscription, for any path', async () => {
    expect(await eventGridHandshake(`${url}/events?code=secret`)).toBe(true);
  });
});
