import { loadConfig } from '@sink/config';
import { FINGERPRINT_MEMORY_BYTES, RECEIPT_MEMORY_BYTES } from '@sink/lane';
import { describe, expect, test } from 'vitest';
import { type DiskPlan, planDisk } from './disk-plan.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** @param availableMib less than the whole where other files are on the volume */
function plan(totalMib: number, overrides: Readonly<Record<string, unknown>> = {}, availableMib = totalMib): DiskPlan {
  const config = loadConfig({ env: {}, overrides, readText: () => 'missing' });
  return planDisk(config, { totalBytes: totalMib * MIB, availableBytes: availableMib * MIB }, GIB);
}

/** What a plan lets all parts take together, in bytes. */
function takenBytes({ environment, reserveBytes }: DiskPlan): number {
  const value = (key: string): number => Number(environment[`SINK_${key.toUpperCase()}`]);
  const liveBytes = value('max_backlog_bytes') + (value('receipts_max') || 200_000) * RECEIPT_MEMORY_BYTES;
  return 3 * liveBytes + value('max_spool_bytes') + reserveBytes;
}

describe('the plan for the volume of data_dir', () => {
  test('on a large disk leaves the defaults, and lets the spool leave free what Redis may come to need', () => {
    const large = plan(500 * 1024);
    expect(large).toMatchObject({ lowered: [], problems: [], isSmall: false, rewriteMinBytes: 512 * MIB });
    expect(Object.keys(large.environment)).toEqual(['SINK_DISK_RESERVE_BYTES']);
    expect(Number(large.environment['SINK_DISK_RESERVE_BYTES'])).toBeGreaterThan(3 * 600 * MIB);
    expect(plan(500 * 1024, { disk_reserve_bytes: '5GiB' }).environment).not.toHaveProperty('SINK_DISK_RESERVE_BYTES');
  });

  test.each([64, 120, 160, 200, 300, 520, 1024, 2048])('of %d MiB fits all parts into it', (size) => {
    const small = plan(size);
    expect(small).toMatchObject({ isSmall: true, problems: [] });
    expect(takenBytes(small)).toBeLessThanOrEqual(size * MIB);
    expect(small.lowered.join()).toMatch(/max_backlog_bytes \d+ MiB/);
  });

  test('takes other files on the volume for no mistake', () => {
    const crowded = plan(100 * 1024, {}, 200);
    expect(crowded).toMatchObject({ isSmall: true, problems: [] });
  });

  test('keeps keys that are set, and lowers the others for them', () => {
    const given = plan(300, { receipts_max: 50_000, max_spool_bytes: '60MiB', max_body_bytes: '4MiB' });
    expect(given.problems).toEqual([]);
    expect(Object.keys(given.environment)).toEqual(['SINK_MAX_BACKLOG_BYTES']);
    expect(Number(given.environment['SINK_MAX_BACKLOG_BYTES'])).toBeLessThan(((300 - 30 - 60) / 3) * MIB);
    const spills = plan(300, { spill_at: '32MiB' });
    expect(Number(spills.environment['SINK_MAX_BACKLOG_BYTES'])).toBeGreaterThan(32 * MIB);
    const dedupes = plan(300, { dedupe_window: '1h' });
    expect(Number(dedupes.environment['SINK_MAX_FINGERPRINTS'])).toBeLessThan((300 * MIB) / FINGERPRINT_MEMORY_BYTES);
  });

  test.each([
    ['max_backlog_bytes', '400MiB', '400 MiB'],
    ['receipts_max', 200_000, '200000'],
    ['spill_at', '200MiB', '200 MiB'],
    ['max_spool_bytes', '1GiB', '1024 MiB'],
    ['disk_reserve_bytes', '190MiB', '190 MiB'],
    ['max_body_bytes', '100MiB', '100 MiB'],
  ])('refuses a value of %s that cannot fit, and says what fits', (key, value, shown) => {
    const overrides = { [key]: value, max_in_flight_bytes: '1GiB' };
    const [problem, ...others] = plan(200, overrides).problems;
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ key, given: shown });
    const [, fits = '', unit] =
      /^at most (\d+)( MiB)? on the volume of data_dir, which has 200 MiB$/.exec(problem?.allowed ?? '') ?? [];
    expect(Number(fits)).toBeGreaterThan(0);
    expect(plan(200, { ...overrides, [key]: unit === undefined ? Number(fits) : `${fits}MiB` }).problems).toEqual([]);
  });

  test('names all keys that together do not fit, and a volume that is too small for any', () => {
    const both = plan(200, { max_backlog_bytes: '100MiB', receipts_max: 500_000 }).problems.map(({ key }) => key);
    expect(both).toEqual(expect.arrayContaining(['receipts_max', 'max_backlog_bytes']));
    expect(plan(20).problems).toMatchObject([
      { key: 'data_dir', allowed: expect.stringMatching(/at least \d+ MiB$/) as string },
    ]);
  });
});
