import { loadConfig } from '@sink/config';
import { createLogger, type ServiceArguments } from '@sink/runtime';
import { expect, test, vi } from 'vitest';
import { chooseWorkers } from './choose-workers.ts';
import type { Machine } from './worker-count.ts';

const machine: Machine = { platform: 'linux', cores: 8, memoryBytes: 16 * 1024 ** 3, shared: false };

function choose(workers: number, { platform, ...args }: Partial<ServiceArguments> & Pick<Machine, 'platform'>) {
  const log = createLogger({ service: 'ingest', level: 'silent' });
  const warn = vi.spyOn(log, 'warn');
  const context = {
    args: { configFile: null, alsoReady: [], workerOf: null, ...args },
    config: loadConfig({ env: {}, overrides: { 'ingest.workers': workers }, readText: () => 'missing' }),
    log,
  };
  return { chosen: chooseWorkers(context, { ...machine, platform }), warnings: warn.mock.calls.length };
}

test('a worker is one process, whatever is configured', () => {
  expect(choose(3, { platform: 'linux', workerOf: 3 })).toEqual({ chosen: 1, warnings: 0 });
  expect(choose(3, { platform: 'linux' })).toEqual({ chosen: 3, warnings: 0 });
});

test('where the system allows fewer than are configured, it is said, once and not by a worker', () => {
  expect(choose(3, { platform: 'darwin' })).toEqual({ chosen: 1, warnings: 1 });
  expect(choose(1, { platform: 'darwin' })).toEqual({ chosen: 1, warnings: 0 });
  expect(choose(3, { platform: 'darwin', workerOf: 3 })).toEqual({ chosen: 1, warnings: 0 });
});
