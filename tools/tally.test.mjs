import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Tally } from './tally.mjs';

const directory = mkdtempSync(join(tmpdir(), 'tally-'));
afterAll(() => rmSync(directory, { recursive: true }));

function task(target) {
  return { id: `@sink/lane:${target}`, target: { project: '@sink/lane', target } };
}

function reportOf(numPassedTests, numFailedTests, testResults = []) {
  const file = join(directory, `${Math.random()}.json`);
  writeFileSync(file, JSON.stringify({ numPassedTests, numFailedTests, testResults }));
  return () => file;
}

function count(target, status, report = () => join(directory, 'none.json')) {
  const tally = new Tally();
  const results = status === undefined ? [] : [{ taskId: task(target).id, status }];
  tally.tasks([task(target)], results, report);
  return tally;
}

test('each test counts, and each check as one', () => {
  expect(String(count('test', 0, reportOf(7, 0)))).toBe('7 passed, 0 failed');
  expect(String(count('typecheck', 0))).toBe('1 passed, 0 failed');
  expect(String(count('typecheck', 1))).toBe('0 passed, 1 failed');
});

test('failed tests are failures, and the project is named', () => {
  const tally = count('test', 1, reportOf(5, 2));
  expect(String(tally)).toBe('5 passed, 2 failed');
  expect(tally.failures).toEqual(['@sink/lane:test (2)']);
});

test('a file that does not load is a failure', () => {
  const broken = { status: 'failed', assertionResults: [] };
  expect(String(count('proof', 1, reportOf(5, 0, [broken])))).toBe('5 passed, 1 failed');
});

test.each([
  ['did not run', undefined, undefined],
  ['no test ran', 0, undefined],
  ['no test ran', 0, reportOf(0, 0)],
  ['failed without a failed test', 1, reportOf(5, 0)],
])('a project of which %s is a failure', (what, status, report) => {
  const tally = count('test', status, report);
  expect(tally.failed).toBe(1);
  expect(tally.failures).toEqual([`@sink/lane:test: ${what}`]);
});
