import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { metricsReference } from './metrics-reference.ts';

it('docs/metrics.md has the metrics that the services register (if not: npm run docs)', async () => {
  const written = readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8');
  expect(written).toBe(await metricsReference());
});
