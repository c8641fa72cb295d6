import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { metricsReference } from './metrics-reference.ts';

/** Writes docs/metrics.md; part of `npm run docs`. */
writeFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), await metricsReference());
