import { expect, test } from 'vitest';
import { LaneHealth } from './lane-health.ts';

function setUp() {
  const lines: string[] = [];
  const problems: (string | null)[] = [];
  let nowMs = 0;
  const note = (_fields: object, text: string): void => void lines.push(text);
  const health = new LaneHealth(
    {
      readiness: { set: (_name, problem) => void problems.push(problem) },
      log: { warn: note, info: note } as never,
      clock: { monotonicMs: () => nowMs },
    },
    'lane 3',
  );
  return { health, lines, problems, pass: (ms: number) => (nowMs += ms) };
}

test('a failure that is mended at once is told in the log, and readiness stays', () => {
  const { health, lines, problems, pass } = setUp();
  health.working();
  health.failing(new Error('refused'));
  pass(500);
  health.failing(new Error('refused'));
  health.working();
  health.working();
  expect(lines).toEqual(['lane 3: failing; it is tried again', 'lane 3: working again']);
  expect(problems).toEqual([null]);
});

test('one that lasts makes the service unready, with few lines in the log, until it works again', () => {
  const { health, lines, problems, pass } = setUp();
  for (let n = 0; n < 30; n++) {
    health.failing(new Error('WRONGTYPE'));
    pass(1_000);
  }
  expect(new Set(problems)).toEqual(new Set(['WRONGTYPE']));
  expect(lines).toHaveLength(3);
  health.working();
  expect(problems.at(-1)).toBeNull();
});
