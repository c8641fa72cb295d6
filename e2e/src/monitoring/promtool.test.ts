import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, it } from 'vitest';
import { ALERTS } from './alerts.ts';
import { prometheusPrograms } from './programs.ts';
import { promtoolTests } from './rule-tests.ts';

const execute = promisify(execFile);
const RULES = join(import.meta.dirname, '../../../deploy/prometheus/rules.yaml');
const { promtool } = await prometheusPrograms();

describe('deploy/prometheus/rules.yaml', () => {
  it('is a rule file without lint', async () => {
    const { stdout } = await execute(promtool, ['check', 'rules', RULES]);
    expect(stdout).toContain(`SUCCESS: ${ALERTS.length} rules found`);
  });

  it('has alerts that fire when they should, and not when they should not', async () => {
    const tests = join(temporaryDirectory('promtool'), 'tests.yaml');
    writeFileSync(tests, promtoolTests(RULES));
    const { stdout } = await execute(promtool, ['test', 'rules', tests]);
    expect(stdout).toContain('SUCCESS');
  });
});
