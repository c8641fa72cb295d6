import { expect, it } from 'vitest';
import { FAULTLESS } from '../harness/oracle.ts';
import { brokenPromises } from './broken-promises.ts';

const MIB = 1024 * 1024;
const LIMITS = { backlogBytes: 64 * MIB, spoolBytes: 256 * MIB };
const KEPT = {
  ...FAULTLESS,
  stored: 1,
  quarantined: 0,
  acknowledged: 1,
  takenWhileAway: 1,
  refused: 1,
  batcher: { metrics: '', readyz: '' },
  spilledWhileHeld: 0,
  spilledInDrain: 0,
  newStoredInDrain: 0,
  takenAgainSeconds: 1,
  backlogSeconds: 1,
  mostBacklogBytes: 65 * MIB,
  mostSpoolBytes: 256 * MIB,
  rssPeakBytes: { 'ingest-1': 299 * MIB },
};

it('an outage within all limits, without a lost or doubled event, breaks no promise', () => {
  expect(brokenPromises(KEPT, LIMITS)).toEqual([]);
});

it.each([
  [{ lost: ['1#0'] }, 'lost: 1#0'],
  [{ mostBacklogBytes: 80 * MIB }, 'limit: the backlog in Redis'],
  [{ mostSpoolBytes: 257 * MIB }, 'limit: the spool'],
  [{ rssPeakBytes: { 'batcher-1': 301 * MIB } }, 'limit: batcher-1'],
])('%j breaks a promise', (broken, line) => {
  expect(brokenPromises({ ...KEPT, ...broken }, LIMITS)).toEqual([expect.stringContaining(line)]);
});
