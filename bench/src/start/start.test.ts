import { expect, test } from 'vitest';
import { startFigures } from './start.ts';

test('the time is that of the last service that becomes ready, and the median is over the runs', () => {
  const runs = [
    { services: { ingest: 1, batcher: 2, uploader: 1 }, bare: 0.5 },
    { services: { ingest: 3, batcher: 1, uploader: 1 }, bare: 0.5 },
    { services: { ingest: 1, batcher: 1, uploader: 1.5 }, bare: 0.5 },
  ];
  const all = startFigures(runs).find(({ column }) => column === 'all services');
  expect(all).toMatchObject({ value: 2, goal: { atMost: 2 } });
});
