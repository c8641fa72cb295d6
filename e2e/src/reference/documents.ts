import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderRules, renderRunbook, withAlertTable } from '../monitoring/alert-documents.ts';
import { renderDashboard } from '../monitoring/dashboard.ts';
import { renderLogsReference } from './logs-reference.ts';
import { metricsReference } from './metrics-reference.ts';

export const REPOSITORY = join(import.meta.dirname, '../../..');

/** The generated files of this project, by path, with what `npm run docs` writes into them. */
export const DOCUMENTS: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/metrics.md': metricsReference,
  'docs/operations.md': () => withAlertTable(readFileSync(join(REPOSITORY, 'docs/operations.md'), 'utf8')),
  'docs/runbook.md': renderRunbook,
  'docs/logs.md': () => renderLogsReference(REPOSITORY),
  'deploy/prometheus/rules.yaml': renderRules,
  // A chart has only what is in its folder.
  'deploy/helm/sink-aws-s3/files/rules.yaml': renderRules,
  'deploy/grafana/sink-aws-s3.json': renderDashboard,
  'deploy/helm/sink-aws-s3/files/dashboard.json': renderDashboard,
};
