import { ReceiptUnreadable } from '@sink/domain';
import { RedisRefused } from '@sink/lane';
import { ObjectStoreError } from '@sink/objects';
import { describe, expect, test } from 'vitest';
import { classify, needsOperator } from './failure.ts';

describe('a failure', () => {
  test.each([
    ['receipt_version', /Upgrade this uploader/],
    ['receipt_damaged', /report it/],
  ] as const)('of a receipt that cannot be read waits for a person: %s', (code, remedy) => {
    const failure = classify(new ReceiptUnreadable(code, 'it is not ours'));
    expect(failure).toMatchObject({ kind: 'segment', code, pace: 'slow' });
    expect(failure.remedy).toMatch(remedy);
    expect(needsOperator(failure)).toBe(true);
  });

  test('of a commit that is refused until manifests get through is no trouble of Redis, and is tried again slowly', () => {
    const refused = classify(new RedisRefused('committing', 'UNLISTED 20000 objects wait for a manifest'));
    expect(refused).toMatchObject({ kind: 'manifests', code: 'UNLISTED', pace: 'slow' });
    expect(classify(new RedisRefused('committing', 'OOM'))).toMatchObject({ kind: 'redis', pace: 'ordinary' });
  });

  test('that may pass by itself waits for no operator, also with advice', () => {
    const unreachable = { code: 'unreachable', kind: 'transient', remedy: 'Look at the network.' } as const;
    expect(needsOperator(classify(new ObjectStoreError('putting object', unreachable)))).toBe(false);
    expect(needsOperator(classify(new RedisRefused('sealing', 'NOTDURABLE')))).toBe(false);
  });
});
