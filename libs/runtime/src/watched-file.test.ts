import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, temporaryDirectory } from '@sink/testing';
import { expect, onTestFinished, test } from 'vitest';
import { type FileContent, WatchedFiles } from './watched-file.ts';

/** Time passes as fast as the test lets it. */
function watched(...paths: string[]): { files: WatchedFiles; told: (readonly FileContent[])[]; waits: number[] } {
  const waits: number[] = [];
  const sleep = (ms: number): Promise<void> => {
    waits.push(ms);
    return new Promise((resolve) => setTimeout(resolve, 5));
  };
  const files = new WatchedFiles(paths, { sleep });
  const told: (readonly FileContent[])[] = [];
  const ended = new AbortController();
  const watching = files.watchUntil(ended.signal, (contents) => void told.push(contents));
  onTestFinished(async () => {
    ended.abort();
    await watching;
  });
  return { files, told, waits };
}

test('a change is told once, within five seconds, and a file that is only written again is none', async () => {
  const path = join(temporaryDirectory('watched'), 'token');
  writeFileSync(path, 'first');
  const { files, told, waits } = watched(path);
  expect(files.contents).toEqual([{ text: 'first' }]);
  writeFileSync(path, 'first');
  await eventually(() => expect(waits.length).toBeGreaterThan(3));
  expect(told).toEqual([]);
  writeFileSync(path, 'second');
  await eventually(() => expect(told).toEqual([[{ text: 'second' }]]));
  expect(files.contents).toEqual([{ text: 'second' }]);
  expect(Math.max(...waits) + Math.min(...waits)).toBeLessThan(5_000);
});

test('a file that is missing for a moment, or is no text, is told with its problem and without its content', async () => {
  const path = join(temporaryDirectory('watched'), 'secret');
  const { files, told } = watched(path);
  expect(files.contents).toEqual([{ problem: 'it does not exist' }]);
  writeFileSync(path, Buffer.from([0x73, 0x65, 0x63, 0xff]));
  await eventually(() => expect(told).toHaveLength(1));
  expect(told).toEqual([[{ problem: 'it cannot be read: ERR_ENCODING_INVALID_ENCODED_DATA' }]]);
  rmSync(path);
  await eventually(() => expect(told.at(-1)).toEqual([{ problem: 'it does not exist' }]));
});

test('a Secret of Kubernetes, whose files change together by a symlink, is told with all its files', async () => {
  const directory = temporaryDirectory('watched');
  const swap = (version: string): void => {
    mkdirSync(join(directory, version));
    for (const name of ['tls.crt', 'tls.key']) writeFileSync(join(directory, version, name), `${version} ${name}`);
    symlinkSync(version, join(directory, 'new'));
    renameSync(join(directory, 'new'), join(directory, '..data'));
  };
  swap('1');
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(directory, name));
  const { told } = watched(join(directory, 'tls.crt'), join(directory, 'tls.key'));
  swap('2');
  await eventually(() => expect(told).toEqual([[{ text: '2 tls.crt' }, { text: '2 tls.key' }]]));
});
