import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'setup-'));
afterAll(() => {
  chmodSync(join(work, 'checkout'), 0o755);
  rmSync(work, { recursive: true });
});

/** Holds the lock for `ms`, and prints when it has it and when it lets it go. */
function hold(file, ms) {
  const program = `
    import { withLock } from ${JSON.stringify(new URL('lock.mjs', import.meta.url).href)};
    await withLock(${JSON.stringify(file)}, async () => {
      console.log('has', process.pid);
      await new Promise((resolve) => setTimeout(resolve, ${ms}));
      console.log('ends', process.pid);
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  const holder = { child, output: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (holder.output += data));
  holder.ended = new Promise((resolve) => child.once('close', resolve));
  return holder;
}

describe('the lock of a setup', () => {
  let file;
  beforeEach(() => {
    file = join(mkdtempSync(join(work, 'lock-')), 'setup.lock');
  });

  test.each([
    ['is empty, because its holder was killed while writing it', ''],
    ['has the number of some other process, as earlier releases wrote it', String(process.ppid)],
    ['has a number that another process has got since', JSON.stringify({ pid: process.pid, identity: 'long ago' })],
    ['has the number of no process', JSON.stringify({ pid: 2 ** 22 + 1, identity: 'x' })],
  ])('is taken over when it %s', async (_, content) => {
    writeFileSync(file, content);
    const holder = hold(file, 0);
    expect(await holder.ended).toBe(0);
    expect(holder.output).toMatch(/^has/m);
    expect(readdirSync(dirname(file))).toEqual([]);
  });

  test('is held by one process at a time; the others name the file and its holder', async () => {
    const first = hold(file, 2_000);
    await expect.poll(() => first.output).toMatch(/^has/);
    const [second, third] = [hold(file, 0), hold(file, 0)];
    await expect.poll(() => second.output).toContain(`(process ${first.child.pid}); its lock is ${file}`);
    expect(second.output + third.output).not.toMatch(/^has/m);
    expect([await first.ended, await second.ended, await third.ended]).toEqual([0, 0, 0]);
    expect(second.output).toMatch(/^has/m);
    expect(third.output).toMatch(/^has/m);
  });
});

test('a setup writes nothing in a checkout in which everything is installed, so that it works where nothing can be written', async () => {
  const checkout = join(work, 'checkout');
  mkdirSync(checkout);
  cpSync(join(root, 'tools'), join(checkout, 'tools'), { recursive: true });
  const { workspaces } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const folders = workspaces.flatMap((pattern) =>
    pattern.endsWith('/*')
      ? readdirSync(join(root, dirname(pattern))).map((name) => join(dirname(pattern), name))
      : [pattern],
  );
  for (const path of ['package.json', 'package-lock.json', ...folders.map((folder) => join(folder, 'package.json'))]) {
    cpSync(join(root, path), join(checkout, path));
  }
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
  const before = readdirSync(checkout);
  chmodSync(checkout, 0o555);

  const { stdout } = await execute(process.execPath, [join(checkout, 'tools/setup.mjs')]);
  expect(stdout).toMatch(/^\/.*(redis|valkey)-server\n$/);
  expect(readdirSync(checkout)).toEqual(before);
});
