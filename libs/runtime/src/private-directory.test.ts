import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { makePrivateDirectory, privateUmask, tightenDirectory, writePrivateFile } from './private-directory.ts';

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}

describe('a directory with events', () => {
  test('is private from its first moment, and so are its files; its parents are not', () => {
    const dataDir = join(temporaryDirectory('private'), 'made', 'data');
    const directory = join(dataDir, 'redis');
    makePrivateDirectory(directory);
    makePrivateDirectory(directory);
    writePrivateFile(join(directory, 'file'), 'text');
    expect([modeOf(dataDir), modeOf(directory), modeOf(join(directory, 'file'))]).toEqual(['755', '700', '600']);
    expect(privateUmask(directory)).toBe(0o077);
    expect(() => writePrivateFile(join(directory, 'file'), 'other')).toThrow('EEXIST');
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('text');
  });

  test('keeps the group that a setgid directory hands on, as with fsGroup', () => {
    const dataDir = temporaryDirectory('private');
    chmodSync(dataDir, 0o2775);
    const directory = join(dataDir, 'redis');
    makePrivateDirectory(directory);
    writePrivateFile(join(directory, 'file'), 'text');
    expect([modeOf(directory), modeOf(join(directory, 'file'))]).toEqual(['2770', '660']);
    expect(privateUmask(directory)).toBe(0o007);
  });

  test('of an earlier release is tightened; what a link in it names, and what is beside it, is not', async () => {
    const dataDir = temporaryDirectory('private');
    const inner = join(dataDir, 'redis', 'appendonlydir');
    mkdirSync(inner, { recursive: true, mode: 0o755 });
    mkdirSync(join(dataDir, 'objects'), { mode: 0o755 });
    const file = join(inner, 'appendonly.aof.1.incr.aof');
    const object = join(dataDir, 'objects', 'object');
    for (const path of [file, object]) writeFileSync(path, '', { mode: 0o644 });
    symlinkSync(object, join(inner, 'link'));
    await tightenDirectory(join(dataDir, 'redis'));
    expect([join(dataDir, 'redis'), inner, file].map(modeOf)).toEqual(['700', '700', '600']);
    expect([join(dataDir, 'objects'), object].map(modeOf)).toEqual(['755', '644']);

    chmodSync(join(dataDir, 'redis'), 0o2755);
    chmodSync(inner, 0o2755);
    await tightenDirectory(join(dataDir, 'redis'));
    expect([join(dataDir, 'redis'), inner, file].map(modeOf)).toEqual(['2770', '2770', '660']);
  });

  test('that does not exist, or is a file, is no failure of the tightening', async () => {
    const dataDir = temporaryDirectory('private');
    writeFileSync(join(dataDir, 'file'), '');
    await tightenDirectory(join(dataDir, 'none'));
    await tightenDirectory(join(dataDir, 'file'));
  });
});
