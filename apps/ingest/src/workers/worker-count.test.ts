import { loadConfig } from '@sink/config';
import { createLogger, type ServiceArguments } from '@sink/runtime';
import { describe, expect, test, vi } from 'vitest';
import { chooseWorkers, type Machine, shareOf, workerCount } from './worker-count.ts';

const MIB = 1024 * 1024;
const config = { ingestWorkers: null, maxInFlightBytes: 64 * MIB, maxBodyBytes: 16 * MIB };
const machine: Machine = { platform: 'linux', cores: 8, memoryBytes: 16_384 * MIB, shared: false };

describe('how many processes take events', () => {
  test.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 3],
    [64, 4],
  ])('with %d cores: %d, so that one core is left to the rest, and never more than 4', (cores, workers) => {
    expect(workerCount(config, { ...machine, cores })).toBe(workers);
  });

  test.each([
    [100, 1, 1],
    [512, 1, 1],
    [600, 2, 1],
    [1024, 3, 1],
    [2048, 4, 3],
    [4096, 4, 4],
  ])('with %d MiB of memory, their parent counted: %d, and %d where all else runs in it', (mib, alone, shared) => {
    expect(workerCount(config, { ...machine, memoryBytes: mib * MIB })).toBe(alone);
    expect(workerCount(config, { ...machine, memoryBytes: mib * MIB, shared: true })).toBe(shared);
  });

  test('fewer where requests in flight have no room for them', () => {
    expect(workerCount({ ...config, maxBodyBytes: 40 * MIB }, machine)).toBe(1);
  });

  test('the configured number, on any machine that can share a port; one on the others', () => {
    expect(workerCount({ ...config, ingestWorkers: 6 }, { ...machine, cores: 1 })).toBe(6);
    expect(workerCount({ ...config, ingestWorkers: 6 }, { ...machine, platform: 'darwin' })).toBe(1);
  });

  test('all of them together hold no more bytes in flight than one alone may', () => {
    expect(shareOf(config, 3).maxInFlightBytes * 3).toBeLessThanOrEqual(config.maxInFlightBytes);
  });
});

function choose(workers: number, { platform, ...args }: Partial<ServiceArguments> & Pick<Machine, 'platform'>) {
  const log = createLogger({ service: 'ingest', level: 'silent' });
  const warn = vi.spyOn(log, 'warn');
  const context = {
    args: { configFile: null, alsoReady: [], parentReady: null, workerOf: null, ...args },
    config: loadConfig({ env: {}, overrides: { 'ingest.workers': workers }, readText: () => 'missing' }),
    log,
  };
  return { chosen: chooseWorkers(context, { ...machine, platform }), warnings: warn.mock.calls.length };
}

test('a worker is one process, whatever is configured', () => {
  expect(choose(3, { platform: 'linux', workerOf: 3 })).toEqual({ chosen: 1, warnings: 0 });
  expect(choose(3, { platform: 'linux' })).toEqual({ chosen: 3, warnings: 0 });
});

test('if the system allows fewer than are configured, ingest warns, once and not in a worker', () => {
  expect(choose(3, { platform: 'darwin' })).toEqual({ chosen: 1, warnings: 1 });
  expect(choose(1, { platform: 'darwin' })).toEqual({ chosen: 1, warnings: 0 });
  expect(choose(3, { platform: 'darwin', workerOf: 3 })).toEqual({ chosen: 1, warnings: 0 });
});
