import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MUTATIONS } from '../model/mutations.ts';
import { REPOSITORY } from '../mutants/mutation.ts';
import { findRules } from '../mutants/rules.ts';
import { SUITE_MUTATIONS } from '../mutants/suite-mutations.ts';

const PROTOCOL = readFileSync(join(REPOSITORY, 'docs/protocol.md'), 'utf8');
/** Markers of the model's own world: faults that a mutation takes out, and no rules of the protocol. */
const OF_THE_WORLD = 'world.';
const mutations = [...MUTATIONS, ...SUITE_MUTATIONS];
const marked = findRules(REPOSITORY).filter(({ rule }) => !rule.startsWith(OF_THE_WORLD));
const table = rowsOf('## 6. Rules').map(([number = '', marker = '']) => ({ number, rule: marker.replaceAll('`', '') }));
const rules = table.map(({ rule }) => rule).sort();

/** The cells of the rows of the table in this part of the document, without its two header lines. */
function rowsOf(part: string): string[][] {
  const text = PROTOCOL.split(`\n${part}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

it('part 6 numbers the rules from R1 on', () => {
  expect(table.length).toBeGreaterThan(0);
  expect(table.map(({ number }) => number)).toEqual(table.map((_, index) => `R${index + 1}`));
});

it('each rule of part 6 marks one line of the sources, and each marked line is there', () => {
  expect(marked.map(({ rule }) => rule).sort()).toEqual(rules);
});

it('each rule of part 6 is left out by a mutation, and each mutation leaves out rules of part 6', () => {
  for (const { name, edits } of mutations) expect(edits.length, `rules that are left out: ${name}`).toBeGreaterThan(0);
  const leftOut = mutations.flatMap(({ edits }) => edits.map(({ rule }) => rule));
  expect([...new Set(leftOut)].filter((rule) => !rule.startsWith(OF_THE_WORLD)).sort()).toEqual(rules);
});

it('each invariant of part 7 names files that enforce it', () => {
  const invariants = rowsOf('## 7. Invariants');
  expect(invariants.map(([number]) => number)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
  for (const [number = '', , tests = ''] of invariants) {
    const files = [...tests.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);
    expect(files.length, `files of invariant ${number}`).toBeGreaterThan(0);
    expect(
      files.filter((file) => !existsSync(join(REPOSITORY, file))),
      `invariant ${number}`,
    ).toEqual([]);
  }
});
