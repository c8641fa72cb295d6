import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseCommandLine } from './command-line.ts';
import { VERSION } from './version.ts';

test.each([
  [[], { kind: 'run', command: 'all', configFile: null }],
  [['--config', 'a.yml'], { kind: 'run', command: 'all', configFile: 'a.yml' }],
  [['check', '--config=a.yml'], { kind: 'run', command: 'check', configFile: 'a.yml' }],
  [['--config', 'a.yml', 'ingest'], { kind: 'run', command: 'ingest', configFile: 'a.yml' }],
  [['--help', 'nonsense'], { kind: 'help' }],
  [['-h'], { kind: 'help' }],
  [['--version'], { kind: 'version' }],
])('the arguments %j are understood', (argv, meaning) => {
  expect(parseCommandLine(argv)).toEqual(meaning);
});

test.each([
  [['chekc'], 'unknown command chekc'],
  [['ingest', 'batcher'], 'not also batcher'],
  [['--confg', 'a.yml'], "Unknown option '--confg'"],
  [['--config'], "Option '--config <value>' argument missing"],
])('the arguments %j are refused with what is known', (argv, problem) => {
  const parsed = parseCommandLine(argv);
  expect(parsed.kind).toBe('wrong');
  if (parsed.kind !== 'wrong') return;
  expect(parsed.problem).toContain(problem);
  expect(parsed.problem).toContain('known are check, ingest, batcher, uploader, --config FILE');
  expect(parsed.problem).not.toContain('\n');
});

test('the version is that of the packages', () => {
  for (const manifest of ['../package.json', '../../../package.json']) {
    const { version } = JSON.parse(readFileSync(new URL(manifest, import.meta.url), 'utf8')) as { version: unknown };
    expect(version).toBe(VERSION);
  }
});
