import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type AppendOutcome, type EventAppender, FingerprintAppender, type Part, plainPart } from './appender.ts';

class Lane implements EventAppender {
  readonly lines: string[] = [];
  readonly waiting: ((outcome: AppendOutcome) => void)[] = [];

  submit(parts: readonly Part[], settled: (outcome: AppendOutcome) => void): void {
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
    new FingerprintAppender(lanes, fingerprint).submit([plainPart(lines)], (outcome) => outcomes.push(outcome), 0);
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
