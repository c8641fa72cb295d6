import { generator, type Message, type Sent } from './traffic.ts';

const SEED = 20_261_126;
/** The bytes of all messages together, so that large events do not fill the memory of the load generator. */
const BYTES_MAX = 8_000_000;
const MESSAGES_MAX = 2_000;
const MESSAGES_MIN = 100;
/** The words of the texts, which compress like the texts of events, 4 to 6 times. */
const WORDS = 500;

/** Structured events of so many bytes each as a line of an object. Every message has another event. */
export function sizedTraffic(eventBytes: number): Sent {
  const random = generator(SEED);
  const integer = (limit: number): number => Math.floor(random() * limit);
  const letters = (count: number): string =>
    Array.from({ length: count }, () => String.fromCharCode(97 + integer(26))).join('');
  const words = Array.from({ length: WORDS }, () => letters(3 + integer(7)));
  const count = Math.max(MESSAGES_MIN, Math.min(MESSAGES_MAX, Math.floor(BYTES_MAX / eventBytes)));
  const event = (data: string): string =>
    JSON.stringify({ specversion: '1.0', id: letters(12), source: '/s', type: 't', data });
  const dataBytes = eventBytes - event('').length - '\n'.length;
  if (dataBytes < 0) throw new Error(`making events of ${eventBytes} bytes: the attributes alone take more`);
  const message = (): Message => {
    let data = '';
    while (data.length < dataBytes) data += `${words[integer(WORDS)] ?? ''} `;
    return { headers: { 'content-type': 'application/cloudevents+json' }, body: event(data.slice(0, dataBytes)) };
  };
  return { eventsPerMessage: 1, messages: Array.from({ length: count }, message) };
}
