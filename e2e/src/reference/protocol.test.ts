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
const table = rowsOf('## 6. Rules').map(([number = '', marker = '', , place = '', leftOut = '']) => ({
  number,
  rule: marker.replaceAll('`', ''),
  place: place.replaceAll('`', ''),
  leftOutBy: leftOut.split('; '),
}));

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

it('each rule of part 6 marks one line of the sources, in the package that part 6 names, and each marked line is there', () => {
  const lines = marked.map(({ rule, file }) => `${rule} in ${file.split('/').slice(0, 2).join('/')}`);
  expect(lines.sort()).toEqual(table.map(({ rule, place }) => `${rule} in ${place}`).sort());
});

it('each rule of part 6 is left out by the mutations that part 6 names', () => {
  for (const { rule, leftOutBy } of table) {
    const names = mutations.filter(({ edits }) => edits.some((edit) => edit.rule === rule)).map(({ name }) => name);
    expect(names, `mutations that leave out ${rule}`).toEqual(expect.arrayContaining(leftOutBy));
  }
});

it('each mutation, and each rule that it leaves out, is in part 6', () => {
  const rules = new Set(table.map(({ rule }) => rule));
  const named = new Set(table.flatMap(({ leftOutBy }) => leftOutBy));
  expect(mutations.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([]);
  const leftOut = mutations.flatMap(({ edits }) => edits.map((edit) => edit.rule));
  expect(leftOut.filter((rule) => !rules.has(rule) && !rule.startsWith(OF_THE_WORLD))).toEqual([]);
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
