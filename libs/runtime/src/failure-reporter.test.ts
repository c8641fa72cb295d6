import { expect, test } from 'vitest';
import { FailureReporter, type FailureReporterOptions } from './failure-reporter.ts';

function setUp(options: Partial<FailureReporterOptions> = {}) {
  const world = { nowMs: 0, lines: [] as [string, string, object][], problems: [] as (string | null)[] };
  const write = (level: string) => (fields: object, message: string) => void world.lines.push([level, message, fields]);
  const reporter = new FailureReporter(
    {
      log: { info: write('info'), warn: write('warn'), error: write('error') },
      clock: { monotonicMs: () => world.nowMs },
      readiness: { set: (_name, problem) => void world.problems.push(problem) },
    },
    { name: 'lane 3', ...options },
  );
  return Object.assign(world, { reporter, texts: () => world.lines.map(([, message]) => message) });
}

test('a failure is logged when it begins, and its end once', () => {
  const world = setUp();
  const err = new Error('refused');
  world.reporter.succeeded();
  world.reporter.failed({ err });
  expect(world.reporter.failing).toBe(true);
  world.nowMs = 500;
  world.reporter.failed({ err });
  world.reporter.succeeded();
  world.reporter.succeeded();
  expect(world.reporter.failing).toBe(false);
  expect(world.lines).toEqual([
    ['warn', 'lane 3 fails', { err, tries: 1, suppressed: 0 }],
    ['info', 'lane 3 works again', { failedMs: 500, tries: 2 }],
  ]);
  expect(world.problems).toEqual(['refused', 'refused', null]);
});

test('while failures go on, one line per interval says how many were not logged', () => {
  const world = setUp({ logEveryMs: 1_000, failing: 'upload queue', working: null });
  for (; world.nowMs < 2_500; world.nowMs += 10) world.reporter.failed({ err: new Error('OOM') });
  expect(world.lines.map(([, , fields]) => fields)).toMatchObject([
    { tries: 1, suppressed: 0 },
    { tries: 101, suppressed: 99 },
    { tries: 201, suppressed: 99 },
  ]);
  world.nowMs = 10_000;
  world.reporter.failed({ err: 'not even an error' });
  expect(world.lines.at(-1)).toMatchObject(['warn', 'upload queue', { suppressed: 49 }]);
  world.reporter.succeeded();
  expect(world.lines).toHaveLength(4);
});

test('failures that begin and end all the time do not fill the log either', () => {
  const world = setUp();
  for (; world.nowMs < 30_000; world.nowMs += 10) {
    world.reporter.failed({ err: new Error('refused') });
    world.reporter.succeeded();
  }
  expect(world.lines).toHaveLength(6);
  expect(world.problems.at(-1)).toBeNull();
});

test('readiness changes only for a failure that lasts, and the sentence can be given', () => {
  const world = setUp({ unreadyAfterMs: 3_000 });
  for (; world.nowMs < 3_000; world.nowMs += 1_000) world.reporter.failed({ err: new Error('WRONGTYPE') });
  expect(world.problems).toEqual([]);
  world.reporter.failed({ err: new Error('WRONGTYPE') }, { problem: 'a foreign key' });
  expect(world.problems).toEqual(['a foreign key']);
  world.reporter.failed({});
  expect(world.problems.at(-1)).toBe('lane 3 fails');
  world.reporter.succeeded();
  expect(world.problems.at(-1)).toBeNull();
});

test('a failure that ends before it is worth a line has no line for its end', () => {
  const world = setUp({ logAfterMs: 5_000, logEveryMs: 5_000 });
  for (; world.nowMs < 5_000; world.nowMs += 1_000) world.reporter.failed({ reason: 'ECONNREFUSED' });
  world.reporter.succeeded();
  expect(world.lines).toEqual([]);
  for (; world.nowMs <= 10_000; world.nowMs += 1_000) world.reporter.failed({ reason: 'ECONNREFUSED' });
  world.reporter.succeeded();
  expect(world.lines).toMatchObject([
    ['warn', 'lane 3 fails', { reason: 'ECONNREFUSED', suppressed: 10 }],
    ['info', 'lane 3 works again', { failedMs: 6_000, tries: 6 }],
  ]);
});

test('kinds are logged independently, with a level and a text of their own', () => {
  const world = setUp({ working: 'uploads succeed again' });
  world.reporter.failed({ code: 'no_such_bucket' }, { kind: 'operator', level: 'error', message: 'putting object' });
  world.reporter.failed({ code: 'slow_down' }, { kind: 'throttled' });
  world.reporter.failed({ code: 'slow_down' }, { kind: 'throttled' });
  world.reporter.succeeded();
  expect(world.lines.map(([level, message]) => [level, message])).toEqual([
    ['error', 'putting object'],
    ['warn', 'lane 3 fails'],
    ['info', 'uploads succeed again'],
  ]);
});

test('kinds beyond the limit share one line', () => {
  const world = setUp();
  for (let kind = 0; kind < 1_000; kind++) world.reporter.failed({}, { kind: `kind ${kind}` });
  expect(world.lines.length).toBe(101);
});
