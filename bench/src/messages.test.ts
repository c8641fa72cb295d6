import { decodeMessage } from '@sink/cloudevents';
import { describe, expect, test } from 'vitest';
import { scenario, SCENARIO_NAMES } from './messages.ts';

describe.each(SCENARIO_NAMES)('the messages of scenario %s', (name) => {
  const { messages, eventsPerMessage } = scenario(name);
  const lines = messages.map(({ headers, body }) => decodeMessage(Object.entries(headers).flat(), Buffer.from(body)));

  test('are valid CloudEvents, as many in each message as the scenario says', () => {
    expect(new Set(lines.map(({ length }) => length))).toEqual(new Set([eventsPerMessage]));
  });

  test('hold events of 330 bytes on average, each another one', () => {
    const events = lines.flat();
    const bytes = events.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    expect(bytes / events.length).toBeCloseTo(330, -1);
    expect(new Set(events).size).toBe(events.length);
  });

  test('are the same at every run', () => {
    expect(scenario(name).messages).toEqual(messages);
  });
});
