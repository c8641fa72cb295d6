import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALERTS } from '../monitoring/alerts.ts';
import { annotationsOf, RUNBOOK } from '../monitoring/alert-documents.ts';
import { queriesOf } from '../monitoring/dashboard-queries.ts';
import { DOCUMENTS, REPOSITORY } from './documents.ts';

const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8');

it.each(Object.entries(DOCUMENTS))('%s is as it is generated (if not: npm run docs)', async (path, render) => {
  expect(read(path)).toBe(await render());
});

/** The metrics that the services register, and what Prometheus and prom-client add. */
const registered = new Set([...read('docs/metrics.md').matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name));
const unknownIn = (expr: string): string[] =>
  [...(expr.match(/\bsink_\w+/g) ?? [])].filter((name) => !registered.has(name.replace(/_bucket$/, '')));

describe('alerts and dashboard', () => {
  it('use metrics that exist', () => {
    const exprs = [...ALERTS, ...queriesOf(read('deploy/grafana/sink-aws-s3.json'))].map(({ expr }) => expr);
    expect(exprs.flatMap(unknownIn)).toEqual([]);
  });

  it('have a section of the runbook for each alert', () => {
    const sections = [...read(RUNBOOK).matchAll(/^## (\w+)$/gm)].map(([, name = '']) => name.toLowerCase());
    for (const alert of ALERTS) {
      expect(sections).toContain(annotationsOf(alert)['runbook_url']?.split('#')[1]);
    }
  });
});
