import { createHash } from 'node:crypto';
import { QUARANTINE_ROUTE } from '@sink/domain';
import { describe, expect, test } from 'vitest';
import { type AppendOutcome, type EventAppender, FingerprintAppender, type Part, plainPart } from './appender.ts';

class Lane implements EventAppender {
  readonly lines: string[] = [];
  /** The parts and the time of each submission. */
  readonly submissions: { readonly parts: readonly Part[]; readonly heldMs: number }[] = [];
  readonly waiting: ((outcome: AppendOutcome) => void)[] = [];

  submit(parts: readonly Part[], settled: (outcome: AppendOutcome) => void, heldMs: number): void {
    this.submissions.push({ parts, heldMs });
    this.lines.push(...parts.flatMap(({ lines }) => lines));
    this.waiting.push(settled);
  }
}

const fingerprint = (line: string): Buffer => createHash('sha256').update(line).digest();
const NUMBERS = Array.from({ length: 50 }, (_, n) => `${n}`);

function setup() {
  const lanes = [new Lane(), new Lane(), new Lane()];
  const outcomes: AppendOutcome[] = [];
  const submit = (lines: readonly string[]): void =>
    new FingerprintAppender(lanes, fingerprint, () => 0).submit(
      [plainPart(lines)],
      (outcome) => outcomes.push(outcome),
      0,
    );
  return { lanes, outcomes, submit };
}

test('an event goes to the same lane in every replica, and all lanes get some', () => {
  const [first, second] = [setup(), setup()];
  first.submit(NUMBERS);
  for (const number of NUMBERS.toReversed()) second.submit([number]);
  for (const [index, lane] of first.lanes.entries()) {
    expect(lane.lines.length).toBeGreaterThan(0);
    expect(lane.lines.toSorted()).toEqual(second.lanes[index]?.lines.toSorted());
  }
});

test('a request is stored when all its parts are', () => {
  const { lanes, outcomes, submit } = setup();
  submit(NUMBERS);
  lanes[0]?.waiting[0]?.('stored');
  lanes[1]?.waiting[0]?.('stored');
  expect(outcomes).toEqual([]);
  lanes[2]?.waiting[0]?.('stored');
  expect(outcomes).toEqual(['stored']);
});

test('a request of which a part was refused is in doubt', () => {
  const { lanes, outcomes, submit } = setup();
  submit(NUMBERS);
  lanes[0]?.waiting[0]?.('stored');
  lanes[1]?.waiting[0]?.('backlog_full');
  lanes[2]?.waiting[0]?.('stored');
  expect(outcomes).toEqual(['in_doubt']);
});

describe('a request with lines that are not looked up', () => {
  const evidence = (...lines: string[]): Part => ({ route: QUARANTINE_ROUTE, path: null, lines, dedupe: false });

  function submitted(parts: readonly Part[]) {
    const lanes = [new Lane(), new Lane(), new Lane()];
    const outcomes: AppendOutcome[] = [];
    let nowMs = 100;
    const appender = new FingerprintAppender(lanes, fingerprint, () => nowMs);
    appender.submit(parts, (outcome) => outcomes.push(outcome), 7);
    const hasEvidence = (lane: Lane): boolean => lane.lines.some((line) => line.startsWith('bad'));
    return { lanes, outcomes, hasEvidence, passMs: (ms: number) => (nowMs += ms) };
  }

  test('goes whole to one lane if no event of it is looked up in another', () => {
    const { lanes } = submitted([evidence('bad 1', 'bad 2'), plainPart(['a']), evidence('bad 3')]);
    const used = lanes.filter(({ submissions }) => submissions.length > 0);
    expect(used.map(({ lines }) => lines)).toEqual([['a', 'bad 1', 'bad 2', 'bad 3']]);
  });

  test('without events that are looked up, one request after the other goes to another lane', () => {
    const lanes = [new Lane(), new Lane(), new Lane()];
    const appender = new FingerprintAppender(lanes, fingerprint, () => 0);
    for (let n = 0; n < 6; n++) appender.submit([evidence(`bad ${n}`)], () => undefined, 0);
    expect(lanes.map(({ lines }) => lines.length)).toEqual([2, 2, 2]);
  });

  test('submits those together, with the last event, and only when all others are stored', () => {
    const { lanes, outcomes, hasEvidence, passMs } = submitted([
      evidence('bad 1'),
      plainPart(NUMBERS),
      evidence('bad 2'),
    ]);
    const others = lanes.filter(({ submissions }) => submissions.length > 0);
    expect(others).toHaveLength(2);
    expect(lanes.some(hasEvidence)).toBe(false);
    others[0]?.waiting[0]?.('stored');
    expect(lanes.some(hasEvidence)).toBe(false);
    passMs(50);
    others[1]?.waiting[0]?.('stored');
    const last = lanes.find(hasEvidence);
    expect(last?.submissions).toHaveLength(1);
    expect(last?.submissions[0]?.heldMs).toBe(57);
    expect(last?.lines.slice(-2)).toEqual(['bad 1', 'bad 2']);
    expect(lanes.flatMap(({ lines }) => lines).toSorted()).toEqual([...NUMBERS, 'bad 1', 'bad 2'].toSorted());
    expect(outcomes).toEqual([]);
    last?.waiting[0]?.('stored');
    expect(outcomes).toEqual(['stored']);
  });

  test.each<[AppendOutcome, AppendOutcome, AppendOutcome]>([
    ['stored', 'backlog_full', 'in_doubt'],
    ['redis_away', 'redis_away', 'redis_away'],
    ['in_doubt', 'stored', 'in_doubt'],
  ])(
    'stores none of those if the others ended %s and %s, so that a retry doubles nothing',
    (first, second, expected) => {
      const { lanes, outcomes, hasEvidence } = submitted([plainPart(NUMBERS), evidence('bad')]);
      const others = lanes.filter(({ submissions }) => submissions.length > 0);
      others[0]?.waiting[0]?.(first);
      others[1]?.waiting[0]?.(second);
      expect(lanes.some(hasEvidence)).toBe(false);
      expect(outcomes).toEqual([expected]);
    },
  );

  test('is in doubt if only those were refused, because the others are stored', () => {
    const { lanes, outcomes, hasEvidence } = submitted([plainPart(NUMBERS), evidence('bad')]);
    for (const { waiting } of lanes.filter(({ submissions }) => submissions.length > 0)) waiting[0]?.('stored');
    lanes.find(hasEvidence)?.waiting[0]?.('backlog_full');
    expect(outcomes).toEqual(['in_doubt']);
  });
});
