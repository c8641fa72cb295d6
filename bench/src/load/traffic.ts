/** One HTTP message that producers send as it is. */
export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The messages that producers send repeatedly. */
export interface Sent {
  readonly eventsPerMessage: number;
  readonly messages: readonly Message[];
}

/** Traffic with its name and the settings of the sink for it. */
interface Traffic extends Sent {
  readonly name: TrafficName;
  readonly title: string;
  /** The environment of the sink for this traffic, added to that of every traffic. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Connections at most, where each has a large body in flight. */
  readonly connectionsMax?: number;
}

export const TRAFFIC_NAMES = ['binary', 'structured', 'batch', 'large-batch', 'dedupe'] as const;
export type TrafficName = (typeof TRAFFIC_NAMES)[number];

/** So many different events that none repeats within a compressor's window. That of gzip is 32 KiB, 100 events. */
const SINGLE_MESSAGES = 2_000;
const BATCH_MESSAGES = 100;
const EVENTS_PER_BATCH = 100;
/** Just below the 16 MiB that a body may have. */
const EVENTS_PER_LARGE_BATCH = 50_000;
/** Their bodies fit into max_in_flight_bytes (64 MiB). */
const LARGE_BATCHES_AT_ONCE = 3;
const SEED = 20_261_124;
/** Messages repeat after some 60 ms, and every one must be stored. So the window is shorter, and rotates more often. */
const DEDUPE = { SINK_DEDUPE_WINDOW: '20ms' };

interface OrderEvent {
  readonly id: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const SOURCE = '/shops/eu-central/checkout';
const TYPE = 'com.example.order.created.v1';

/** The traffic with this name, the same in every run. An event has about 330 bytes as a line of an object. */
export function traffic(name: TrafficName): Traffic {
  const random = generator(SEED);
  const messages = (count: number, message: () => Message): Message[] => Array.from({ length: count }, message);
  switch (name) {
    case 'binary':
      return {
        name,
        title: 'binary, one event a request',
        eventsPerMessage: 1,
        messages: messages(SINGLE_MESSAGES, () => binary(order(random))),
      };
    case 'dedupe':
      return { ...traffic('binary'), name, title: 'binary, with dedupe_window', settings: DEDUPE };
    case 'structured':
      return {
        name,
        title: 'structured, one event a request',
        eventsPerMessage: 1,
        messages: messages(SINGLE_MESSAGES, () => ({
          headers: { 'content-type': 'application/cloudevents+json' },
          body: JSON.stringify(inJsonFormat(order(random))),
        })),
      };
    case 'batch':
      return {
        name,
        title: `batches of ${EVENTS_PER_BATCH}`,
        eventsPerMessage: EVENTS_PER_BATCH,
        messages: messages(BATCH_MESSAGES, () => batch(EVENTS_PER_BATCH, random)),
      };
    case 'large-batch':
      return {
        name,
        title: 'batches of 16 MiB',
        eventsPerMessage: EVENTS_PER_LARGE_BATCH,
        messages: messages(LARGE_BATCHES_AT_ONCE, () => batch(EVENTS_PER_LARGE_BATCH, random)),
        connectionsMax: LARGE_BATCHES_AT_ONCE,
      };
  }
}

function batch(events: number, random: () => number): Message {
  return {
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(Array.from({ length: events }, () => inJsonFormat(order(random)))),
  };
}

function binary({ id, time, data }: OrderEvent): Message {
  return {
    headers: {
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': SOURCE,
      'ce-type': TYPE,
      'ce-time': time,
      'content-type': 'application/json',
    },
    body: JSON.stringify(data),
  };
}

function inJsonFormat({ id, time, data }: OrderEvent): unknown {
  return { specversion: '1.0', id, source: SOURCE, type: TYPE, time, datacontenttype: 'application/json', data };
}

/** Mostly repeated names, a random id and a few figures, which compress like business events (5 to 6 times). */
function order(random: () => number): OrderEvent {
  const integer = (limit: number): number => Math.floor(random() * limit);
  const hex = (digits: number): string => Array.from({ length: digits }, () => integer(16).toString(16)).join('');
  return {
    id: [8, 4, 4, 4, 12].map(hex).join('-'),
    time: new Date(Date.UTC(2026, 10, 24) + integer(86_400_000)).toISOString(),
    data: {
      order: 10_000_000 + integer(90_000_000),
      customer: `c-${100_000 + integer(900_000)}`,
      currency: 'EUR',
      total: (100 + integer(89_900)) / 100,
      items: 1 + integer(9),
      country: ['DE', 'FR', 'IT', 'ES'][integer(4)],
      channel: ['web', 'app', 'pos'][integer(3)],
    },
  };
}

/** Random numbers from 0 to 1 that a seed determines (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
