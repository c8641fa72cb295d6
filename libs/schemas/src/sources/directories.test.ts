import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@sink/runtime';
import { temporaryDirectory } from '@sink/testing';
import { expect, it } from 'vitest';
import { SchemaDirectories } from './directories.ts';
import { DOCUMENT_BYTES_MAX, type SchemaSource } from './source.ts';
import { SchemaSources } from './sources.ts';

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

it('a file is found by any spelling of its URI', async () => {
  const directory = temporaryDirectory();
  const name = 'a@b+c,d;e=f&g$h:i!~(é) %.json';
  writeFileSync(join(directory, name), '{"type":"object"}');
  writeFileSync(join(directory, 'b.json'), '{"$id":"https://ID.example:443/a%40b"}');
  const { source } = watch([
    { path: directory, uri: 'HTTPS://Schemas.Example:443/x/' },
    { path: directory, uri: 'urn:x:' },
  ]);
  await source.look();
  const encoded = encodeURIComponent(name);
  const plain = 'a@b+c,d;e=f&g$h:i!~(%c3%a9)%20%25.json';
  for (const uri of [
    `https://schemas.example/x/${encoded}`,
    `https://schemas.example/x/${plain}`,
    `https://schemas.example:443/x/${plain}`,
    `urn:x:${encoded}`,
    `urn:x:${plain}`,
    'https://id.example/a@b',
  ]) {
    expect([uri, source.isFor(uri)]).toEqual([uri, true]);
    expect((await source.find(uri)).kind).toBe('document');
  }
  expect(source.isFor(`https://schemas.example/x/${encoded}%2F`)).toBe(false);
});

it('a directory that cannot be read any more keeps its files, and those of others stay', async () => {
  const parent = temporaryDirectory();
  const [first, second] = [join(parent, 'first'), join(parent, 'second')];
  mkdirSync(first);
  mkdirSync(second);
  writeFileSync(join(first, 'a.json'), '{"$id":"urn:a"}');
  writeFileSync(join(second, 'b.json'), '{"$id":"urn:b"}');
  const { source, told } = watch([{ path: first }, { path: second }]);
  await source.look();
  renameSync(first, `${first}-gone`);
  const looking = source.look();
  expect([source.isFor('urn:a'), source.isFor('urn:c')]).toEqual([true, false]);
  await looking;
  expect(told.problem).toContain('first');
  expect(await source.find('urn:a')).toMatchObject({ kind: 'away' });
  expect((await source.find('urn:b')).kind).toBe('document');
  expect(await source.find('urn:c')).toMatchObject({ kind: 'away' });
  // While it is looked through again, too.
  const again = source.look();
  expect(source.isFor('urn:c')).toBe(true);
  await again;
  // What a registry does not have might be there.
  const registry: SchemaSource = { isFor: () => true, find: async () => ({ kind: 'absent', why: '404' }) };
  expect(await new SchemaSources(source, [registry]).find('urn:c')).toMatchObject({ kind: 'away' });
  renameSync(`${first}-gone`, first);
  await source.look();
  expect((await source.find('urn:a')).kind).toBe('document');
  expect(source.isFor('urn:c')).toBe(false);
  expect(await new SchemaSources(source, [registry]).find('urn:c')).toMatchObject({ kind: 'absent' });
  expect(told.changes).toBe(1);
});

it('a file that has gone, or cannot be read, takes no other away', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'b.json'), '{"$id":"urn:b"}');
  symlinkSync('nowhere', join(directory, 'a.json'));
  const { source, told } = watch([{ path: directory }]);
  await source.look();
  expect([told.problem, source.isFor('urn:b'), source.isFor('urn:c')]).toEqual([null, true, false]);
  // A link to itself can be read by nobody, root included.
  symlinkSync('c.json', join(directory, 'c.json'));
  writeFileSync(join(directory, 'd.json'), '{"$id":"urn:d"}');
  await source.look();
  expect(told.problem).toContain(directory);
  expect((await source.find('urn:d')).kind).toBe('document');
  expect(await source.find('urn:c')).toMatchObject({ kind: 'away' });
  rmSync(join(directory, 'b.json'));
  symlinkSync('b.json', join(directory, 'b.json'));
  await source.look();
  expect(source.isFor('urn:b')).toBe(true);
  expect(await source.find('urn:b')).toMatchObject({ kind: 'away' });
});
