import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import type { Subject } from './parts.ts';
import { kills } from './kills.ts';
import { manifest } from './manifest.ts';
import { matrix } from './matrix.ts';
import { allInOne, distributedMode } from './modes.ts';
import { Part, PartEnded, Report } from './report.ts';
import { rolling } from './rolling.ts';
import { hpa, keda } from './scaling.ts';

/** Runs the parts that are named, or all, on the cluster of KUBECONFIG (tools/kubernetes.mjs starts one). */
const SUBJECTS: readonly Subject[] = [matrix, manifest, allInOne, distributedMode, rolling, kills, hpa, keda];

const { values, positionals } = parseArgs({
  options: {
    list: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    image: { type: 'string', default: '' },
    'next-image': { type: 'string', default: '' },
    programs: { type: 'string', default: '' },
    schemas: { type: 'string' },
  },
  allowPositionals: true,
});
if (values.list) {
  for (const { name, about } of SUBJECTS) console.log(`${name.padEnd(12)}${about}`);
  process.exit(0);
}
const unknown = positionals.filter((name) => !SUBJECTS.some((subject) => subject.name === name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}: ${SUBJECTS.map(({ name }) => name).join(', ')}`);
  process.exit(1);
}
const setup = {
  image: values.image,
  nextImage: values['next-image'],
  programs: values.programs,
  schemas: values.schemas ?? null,
  root: join(import.meta.dirname, '../../..'),
  keep: values.keep,
};
const report = new Report();
const startMs = performance.now();
for (const subject of SUBJECTS) {
  if (positionals.length > 0 && !positionals.includes(subject.name)) continue;
  console.log(`${subject.name}: ${subject.about}`);
  const part = new Part(subject.name, report);
  try {
    await subject.run(part, setup);
  } catch (error) {
    if (!(error instanceof PartEnded)) part.check('the part ends', false, String(error));
  }
}
console.log(`\n${Math.round((performance.now() - startMs) / 1_000)} s\n\n${String(report)}`);
countInSuite();
process.exit(report.count('failed') > 0 || report.count('passed') === 0 ? 1 : 0);

/** Adds to the count of .ci/run, when that is what runs this. */
function countInSuite(): void {
  const file = process.env['SUITE_TALLY'];
  if (file === undefined || !existsSync(file)) return;
  const before = JSON.parse(readFileSync(file, 'utf8')) as { passed: number; failed: number };
  const after = { passed: before.passed + report.count('passed'), failed: before.failed + report.count('failed') };
  writeFileSync(file, JSON.stringify(after));
}
