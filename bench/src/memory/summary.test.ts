import { expect, test } from 'vitest';
import { memoryFigures } from './summary.ts';

test('memory that first grows and then stays flat looks flat in the second half', () => {
  const samples = Array.from({ length: 120 }, (_, index) => {
    const bytes = Math.min(index, 50) * 1e6 + 100e6;
    return { atSeconds: index / 2, bytes: { ingest: bytes, batcher: 2 * bytes, uploader: 1e6 } };
  });
  const rssPeakBytes = { ingest: 160e6, batcher: 310e6, uploader: 1e6 };
  const value = (row: string, column: string): number | undefined =>
    memoryFigures({ title: 'binary', samples, rssPeakBytes }).find(
      (figure) => figure.row === row && figure.column === column,
    )?.value;
  expect(value('binary: at the start, MB', 'ingest')).toBeCloseTo(105.5);
  expect(value('binary: at the end, MB', 'ingest')).toBe(150);
  expect(value('binary: most, MB', 'batcher')).toBe(310);
  expect(value('binary: growth in the second half, MB a minute', 'batcher')).toBeCloseTo(0);
});
