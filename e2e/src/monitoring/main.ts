import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asPrometheusAsks, queriesOf } from './dashboard-queries.ts';
import { type Drawing, drawPanels } from './draw.ts';
import { ROWS } from './panels.ts';
import { WatchedSink } from './watched-sink.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
const DIRECTORY = join(REPOSITORY, 'docs/monitoring');
const NAMES = ['well', 'ingest', 'pipeline', 'stores'];

/** Draws the pictures of docs/monitoring.md: `node e2e/src/monitoring/main.ts`. It takes two minutes. */
const queries = queriesOf(readFileSync(join(REPOSITORY, 'deploy/grafana/sink-aws-s3.json'), 'utf8'));
const sink = await WatchedSink.start();
try {
  await sink.live();
  mkdirSync(DIRECTORY, { recursive: true });
  for (const [index, { panels }] of ROWS.entries()) {
    const drawings = await Promise.all(panels.map(({ title }) => drawingOf(title)));
    writeFileSync(join(DIRECTORY, `${NAMES[index] ?? ''}.svg`), drawPanels(drawings, sink.fromMs, sink.toMs));
  }
} finally {
  await sink.stop();
}

async function drawingOf(title: string): Promise<Drawing> {
  const asked = queries.filter(({ panel }) => panel === title);
  const lines = await Promise.all(
    asked.map(async ({ expr, legend }) => {
      const found = await sink.prometheus.range(asPrometheusAsks(expr), sink.fromMs, sink.toMs);
      return found.map(({ labels, points }) => ({
        legend: legend.replace(/{{(\w+)}}/g, (_, label: string) => labels[label] ?? ''),
        points,
      }));
    }),
  );
  return { title, unit: asked[0]?.unit ?? 'short', lines: lines.flat() };
}
