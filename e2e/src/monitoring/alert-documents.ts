import type { Alert } from './alert.ts';
import { ALERTS } from './alerts.ts';

/** A path in the checkout: no address of the repository is known here. */
export const RUNBOOK = 'docs/runbook.md';
const GROUP = 'sink-aws-s3';

export function annotationsOf({ name, summary }: Alert): Record<string, string> {
  return { summary, runbook_url: `${RUNBOOK}#${name.toLowerCase()}` };
}

/** deploy/prometheus/rules.yaml */
export function renderRules(): string {
  const rules = ALERTS.map((alert) => {
    const { summary = '', runbook_url = '' } = annotationsOf(alert);
    return [
      `      - alert: ${alert.name}`,
      `        expr: ${JSON.stringify(alert.expr)}`,
      `        for: ${alert.for}`,
      '        labels:',
      `          severity: ${alert.severity}`,
      '        annotations:',
      `          summary: ${JSON.stringify(summary)}`,
      `          runbook_url: ${JSON.stringify(runbook_url)}`,
    ].join('\n');
  });
  return `# Generated from e2e/src/monitoring by "npm run docs". Do not edit.
# runbook_url is a path in the repository: put the address in front of it at which you publish docs/.
groups:
  - name: ${GROUP}
    rules:
${rules.join('\n')}
`;
}

const BEGIN = '<!-- Generated from e2e/src/monitoring by "npm run docs": alerts -->';
const END = '<!-- End of alerts -->';

/** docs/operations.md, whose table of alerts is replaced. */
export function withAlertTable(operations: string): string {
  const [before, rest] = operations.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error('docs/operations.md has no place for the alerts');
  const rows = ALERTS.map(
    ({ name, severity, expr, summary, remedy }) =>
      `| [${name}](runbook.md#${name.toLowerCase()}) | ${severity} | \`${inCell(expr)}\` | ${inCell(summary)} | ${inCell(fromOperations(remedy))} |`,
  );
  const table = ['| alert | severity | fires when | it means | do |', '| --- | --- | --- | --- | --- |', ...rows];
  return [
    `${before}${BEGIN}`,
    '<!-- prettier-ignore-start -->',
    '',
    ...table,
    '',
    '<!-- prettier-ignore-end -->',
    `${END}${after}`,
  ].join('\n');
}

/** docs/runbook.md */
export function renderRunbook(): string {
  const sections = ALERTS.map(({ name, severity, summary, expr, means, lookAt, remedy, ...alert }) =>
    [
      `## ${name}`,
      '',
      `${severity}: ${summary}. Fires after ${alert.for === '0m' ? 'no wait' : alert.for}.`,
      '',
      '```promql',
      expr,
      '```',
      '',
      `- **It means:** ${means}`,
      `- **Look at:** ${lookAt}`,
      `- **Do:** ${remedy}`,
    ].join('\n'),
  );
  return `# Runbook

<!-- Generated from e2e/src/monitoring by "npm run docs". Do not edit. -->

What each alert of [rules.yaml](../deploy/prometheus/rules.yaml) means, what to look at, and what to do. The metrics are
described in [metrics.md](metrics.md), the log lines in [operations.md](operations.md).

${sections.join('\n\n')}
`;
}

/** Links of the runbook lead elsewhere from operations.md. */
function fromOperations(markdown: string): string {
  return markdown.replaceAll('](#', '](runbook.md#').replaceAll('](operations.md#', '](#');
}

function inCell(markdown: string): string {
  return markdown.replaceAll('|', '\\|');
}
