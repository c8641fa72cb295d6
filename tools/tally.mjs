/** Counts what passed and what failed. A check (lint, types, formatting) counts as one, a test as one. */
import { readFileSync } from 'node:fs';

/** The targets that run tests: each leaves a report of Vitest (vitest.suite.ts). The others are checks. */
const TEST_TARGETS = ['test', 'smoke', 'proof'];

export class Tally {
  passed = 0;
  failed = 0;
  /** What failed, and how often. */
  failures = [];

  add(name, passed, failed) {
    this.passed += passed;
    this.failed += failed;
    if (failed > 0) this.failures.push(failed === 1 ? name : `${name} (${failed})`);
  }

  check(name, passed) {
    this.add(name, passed ? 1 : 0, passed ? 0 : 1);
  }

  /**
   * What Nx made of the tasks that it was to run.
   *
   * @param expected the tasks of the plan; one that is missing in `results` did not run, and failed
   * @param results what Nx noted of each task that ran, or came from the cache
   * @param reportOf the path of the report of a test task
   */
  tasks(expected, results, reportOf) {
    for (const task of expected) {
      const status = results.find(({ taskId }) => taskId === task.id)?.status;
      if (status === undefined) this.add(`${task.id}: did not run`, 0, 1);
      else if (TEST_TARGETS.includes(task.target.target)) this.#tests(task.id, status === 0, reportOf(task));
      else this.check(task.id, status === 0);
    }
  }

  #tests(id, ended, report) {
    const { passed, failed } = readReport(report);
    if (failed > 0) this.add(id, passed, failed);
    else if (!ended) this.add(`${id}: failed without a failed test`, passed, 1);
    else if (passed === 0) this.add(`${id}: no test ran`, 0, 1);
    else this.add(id, passed, 0);
  }

  toString() {
    return `${this.passed} passed, ${this.failed} failed`;
  }
}

/** A file that failed without a failed test (it does not load, or a hook of it failed) counts as one that failed. */
function readReport(file) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { passed: 0, failed: 0 };
  }
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((assertion) => assertion.status !== 'failed'),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + brokenFiles.length };
}
