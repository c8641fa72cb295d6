import { decodeMessage } from '@sink/cloudevents';
import { describe, expect, test } from 'vitest';
import { traffic, TRAFFIC_NAMES } from './traffic.ts';

describe.each(TRAFFIC_NAMES)('the messages of %s traffic', (name) => {
  const { messages, eventsPerMessage } = traffic(name);
  const lines = messages.map(({ headers, body }) => decodeMessage(Object.entries(headers).flat(), Buffer.from(body)));

  test('are valid CloudEvents, with the right number in each message', () => {
    expect(new Set(lines.map(({ length }) => length))).toEqual(new Set([eventsPerMessage]));
  });

  test('contain different events of 330 bytes on average', () => {
    const events = lines.flat();
    const bytes = events.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    expect(bytes / events.length).toBeCloseTo(330, -1);
    expect(new Set(events).size).toBe(events.length);
  });

  test('are the same in every run', () => {
    expect(traffic(name).messages).toEqual(messages);
  });
});
