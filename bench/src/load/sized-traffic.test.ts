import { decodeMessage } from '@sink/cloudevents';
import { expect, test } from 'vitest';
import { sizedTraffic } from './sized-traffic.ts';

test.each([100, 330, 8_192, 65_536])(
  'events of %d bytes are exactly as long as a line, and each is another one',
  (bytes) => {
    const lines = sizedTraffic(bytes).messages.flatMap(({ headers, body }) =>
      decodeMessage(Object.entries(headers).flat(), Buffer.from(body)),
    );
    expect(new Set(lines.map((line) => Buffer.byteLength(line) + 1))).toEqual(new Set([bytes]));
    expect(new Set(lines).size).toBe(lines.length);
  },
);
