import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseCommandLine, VERSION } from './command-line.ts';

test.each([
  [[], { kind: 'run', command: 'all', configFile: null }],
  [['--config', 'a.yml'], { kind: 'run', command: 'all', configFile: 'a.yml' }],
  [['check', '--config=a.yml'], { kind: 'run', command: 'check', configFile: 'a.yml' }],
  [['--config', 'a.yml', 'ingest'], { kind: 'run', command: 'ingest', configFile: 'a.yml' }],
  [['--help', 'nonsense'], { kind: 'help' }],
  [['-h'], { kind: 'help' }],
  [['--version'], { kind: 'version' }],
  [['flush'], { kind: 'flush', asked: { path: null, waits: false, timeoutMs: 120_000 }, configFile: null }],
  [
    ['flush', '--partition', '2026/11/23/10', '--wait', '--timeout=9'],
    { kind: 'flush', asked: { path: '2026/11/23/10', waits: true, timeoutMs: 9_000 }, configFile: null },
  ],
  [['verify'], { kind: 'verify', asked: { range: {}, read: false, json: false }, configFile: null }],
  [
    ['verify', '--from', '2026-11-23', '--to=2026-11-23T10', '--read', '--json', '--config', 'a.yml'],
    {
      kind: 'verify',
      asked: { range: { fromMs: Date.UTC(2026, 10, 23), toMs: Date.UTC(2026, 10, 23, 10) }, read: true, json: true },
      configFile: 'a.yml',
    },
  ],
  [
    [
      'try',
      '--post',
      'http://sink:8080',
      '--uploader=http://sink:9103',
      '--timeout',
      '7',
      '--header',
      'A: b',
      '--header=C:d',
    ],
    {
      kind: 'try',
      asked: { post: 'http://sink:8080', uploader: 'http://sink:9103', timeoutMs: 7_000, headers: ['A: b', 'C:d'] },
      configFile: null,
    },
  ],
  [['try'], { kind: 'try', asked: { post: null, uploader: null, timeoutMs: 120_000, headers: [] }, configFile: null }],
  [
    ['uploads', 'redirect', 'old', 'new'],
    { kind: 'uploads', asked: { action: 'redirect', from: 'old', to: 'new' }, configFile: null },
  ],
  [
    ['uploads', 'list', '--json'],
    { kind: 'uploads', asked: { action: 'list', segmentIds: [], json: true }, configFile: null },
  ],
  [
    ['uploads', 'retry', 's-1', 's-2'],
    { kind: 'uploads', asked: { action: 'retry', segmentIds: ['s-1', 's-2'], json: false }, configFile: null },
  ],
  [['iam'], { kind: 'iam', asked: { uses: [], earlierPrefixes: [] }, configFile: null }],
  [
    ['iam', '--for', 'verify', '--for=read,put', '--earlier-prefix', 'old/', '--config', 'a.yml'],
    { kind: 'iam', asked: { uses: ['verify', 'read', 'put'], earlierPrefixes: ['old/'] }, configFile: 'a.yml' },
  ],
])('the arguments %j are understood', (argv, meaning) => {
  expect(parseCommandLine(argv)).toEqual(meaning);
});

test.each([
  [['chekc'], 'unknown command chekc'],
  [['ingest', 'batcher'], 'batcher is one too many'],
  [['--confg', 'a.yml'], "Unknown option '--confg'"],
  [['--config'], "Option '--config <value>' argument missing"],
])('the arguments %j are refused with a line that names what is known', (argv, problem) => {
  const parsed = parseCommandLine(argv);
  expect(parsed.kind).toBe('wrong');
  if (parsed.kind !== 'wrong') return;
  expect(parsed.problem).toContain(problem);
  expect(parsed.problem).toContain(
    'known are check, reload, verify, try, uploads, flush, quarantine, iam, ingest, batcher, uploader, --config FILE',
  );
  expect(parsed.problem).not.toContain('\n');
});

test.each([
  [['verify', '--from', 'yesterday'], '--from yesterday is not a time: give 2026-11-24'],
  [['verify', '--from', '2026-11-24', '--to', '2026-11-24'], '--from must be before --to'],
  [['uploads'], 'uploads needs an action: list, or retry [ID...]'],
  [['uploads', 'drop'], 'uploads needs an action: list, or retry [ID...]'],
  [['try', '--timeout', 'long'], '--timeout long is not a number of seconds'],
  [['try', '--post', 'sink'], 'sink is not an address such as http://host:8080'],
  [['check', '--read'], '--read is not an option of this command'],
  [['uploads', 'list', '--from', '2026-11-24'], '--from is not an option of this command'],
  [['iam', '--for', 'put,delete'], '--for delete is unknown: known are put, compare, manifests, verify, read'],
  [['verify', '--for', 'put'], '--for is not an option of this command'],
])('the arguments %j are refused with a line that says why', (argv, problem) => {
  expect(parseCommandLine(argv)).toMatchObject({ kind: 'wrong', problem: expect.stringContaining(problem) as string });
});

test('the version is that of the packages', () => {
  for (const manifest of ['../../package.json', '../../../../package.json']) {
    const { version } = JSON.parse(readFileSync(new URL(manifest, import.meta.url), 'utf8')) as { version: unknown };
    expect(version).toBe(VERSION);
  }
});
