import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { problemsOf } from './documents.mjs';

let directory;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'documents-'));
  mkdirSync(join(directory, 'docs'));
  writeFileSync(join(directory, 'docs/redis.md'), '# Redis\n\n## What a 2xx means\n');
});
afterEach(() => rmSync(directory, { recursive: true }));

test('a link to a file or a heading that does not exist is reported, and so is a path', () => {
  const lines = [
    '[a](docs/redis.md#what-a-2xx-means)',
    '[b](docs/none.md)',
    '[c](docs/redis.md#none)',
    '`docs/none.md`',
  ];
  writeFileSync(join(directory, 'README.md'), lines.join('\n'));
  expect(problemsOf(directory)).toEqual([
    'README.md: the link docs/none.md leads nowhere',
    'README.md: the link docs/redis.md#none leads nowhere',
    'README.md: there is no docs/none.md',
  ]);
});

test('links to other sites, and code blocks, are not followed', () => {
  writeFileSync(
    join(directory, 'README.md'),
    '[a](https://example.com/none)\n\n```\n[b](none.md) `docs/none.md`\n```\n',
  );
  expect(problemsOf(directory)).toEqual([]);
});
