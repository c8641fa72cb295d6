import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@sink/runtime';
import { temporaryDirectory } from '@sink/testing';
import { expect, it } from 'vitest';
import { SchemaDirectories } from './directories.ts';
import { DOCUMENT_BYTES_MAX } from './source.ts';

function watch(directories: ConstructorParameters<typeof SchemaDirectories>[0]) {
  const told = { changes: 0, problem: null as string | null };
  const source = new SchemaDirectories(directories, {
    clock: systemClock,
    changed: () => void (told.changes += 1),
    problem: (problem) => void (told.problem = problem?.problem ?? null),
  });
  return { source, told };
}

it('a file answers for its $id, and for its path below the uri of its directory', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'v1'));
  writeFileSync(join(directory, 'v1', 'an order.json'), '{"$id":"urn:example:order","type":"object"}');
  writeFileSync(join(directory, 'other.json'), '{"$id":"https://elsewhere.example/other#","type":"number"}');
  writeFileSync(join(directory, 'readme.md'), 'no schema');
  writeFileSync(join(directory, 'broken.json'), '{');
  writeFileSync(join(directory, 'large.json'), ' '.repeat(DOCUMENT_BYTES_MAX + 1));
  const { source } = watch([{ path: directory, uri: 'https://schemas.example/' }]);
  await source.look();
  const text = '{"$id":"urn:example:order","type":"object"}';
  for (const uri of ['urn:example:order', 'https://schemas.example/v1/an%20order.json']) {
    expect(await source.find(uri)).toEqual({
      kind: 'document',
      document: { uri, text, keeps: 'until_told', references: {} },
    });
  }
  expect((await source.find('https://elsewhere.example/other')).kind).toBe('document');
  expect((await source.find('https://schemas.example/broken.json')).kind).toBe('document');
  for (const uri of [
    'https://schemas.example/readme.md',
    'https://schemas.example/large.json',
    'https://schemas.example/../etc/passwd',
    `file://${directory}/other.json`,
  ]) {
    expect(source.isFor(uri)).toBe(false);
  }
});

it('without a uri, files are known by their $id only; the first directory wins', async () => {
  const [first, second] = [temporaryDirectory(), temporaryDirectory()];
  writeFileSync(join(first, 'a.json'), '{"$id":"urn:a","title":"first"}');
  writeFileSync(join(second, 'a.json'), '{"$id":"urn:a","title":"second"}');
  const { source } = watch([{ path: first }, { path: second }]);
  await source.look();
  expect(await source.find('urn:a')).toMatchObject({ document: { text: expect.stringContaining('first') as string } });
  expect(source.isFor('/a.json')).toBe(false);
});

it('tells of files that come, change and go: also by the symbolic link of a ConfigMap', async () => {
  const directory = temporaryDirectory();
  const version = (name: string, title: string): void => {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'a.json'), `{"$id":"urn:a","title":"${title}"}`);
  };
  version('..1', 'one');
  symlinkSync('..1', join(directory, '..data'));
  symlinkSync('..data/a.json', join(directory, 'a.json'));
  const { source, told } = watch([{ path: directory }]);
  await source.look();
  expect(told.changes).toBe(1);
  await source.look();
  expect(told.changes).toBe(1);
  version('..2', 'two');
  symlinkSync('..2', join(directory, '..tmp'));
  renameSync(join(directory, '..tmp'), join(directory, '..data'));
  await source.look();
  expect(told.changes).toBe(2);
  expect(await source.find('urn:a')).toMatchObject({ document: { text: expect.stringContaining('two') as string } });
  rmSync(join(directory, 'a.json'));
  await source.look();
  expect(told.changes).toBe(3);
  expect(source.isFor('urn:a')).toBe(false);
});

it('while a directory cannot be read, nothing counts as missing', async () => {
  const directory = join(temporaryDirectory(), 'later');
  const { source, told } = watch([{ path: directory }]);
  await source.look();
  expect(told.problem).toContain('later');
  expect(source.isFor('urn:a')).toBe(true);
  expect(await source.find('urn:a')).toMatchObject({ kind: 'away' });
  mkdirSync(directory);
  await source.look();
  expect(told.problem).toBeNull();
  expect(source.isFor('urn:a')).toBe(false);
});
