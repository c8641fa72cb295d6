import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { CredentialsSource, CredentialsUnavailable } from './credentials-source.ts';

const key = (accessKeyId: string, leftMs?: number) => ({
  accessKeyId,
  secretAccessKey: 'secret',
  ...(leftMs === undefined ? {} : { expiration: new Date(Date.now() + leftMs) }),
});
const HOUR_MS = 3_600_000;

test('credentials are read once while they work, and the SDK asks for each request', async () => {
  const read = vi.fn(async () => key('A'));
  const source = new CredentialsSource(read);
  await expect(source.provide()).resolves.toMatchObject({ accessKeyId: 'A', expiration: new Date(0) });
  await source.provide();
  expect(read).toHaveBeenCalledTimes(1);
});

test('they are read again when the store refuses them', async () => {
  const read = vi.fn(async () => key(`A${read.mock.calls.length}`));
  const source = new CredentialsSource(read);
  await source.provide();
  source.refused();
  await expect(source.provide()).resolves.toMatchObject({ accessKeyId: 'A2' });
  await expect(source.provide()).resolves.toMatchObject({ accessKeyId: 'A2' });
});

test('they are read again at an age, without a wait', async () => {
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof key>>();
  const read = vi.fn(() => promise).mockResolvedValueOnce(key('A'));
  const source = new CredentialsSource(read, { rereadMs: 0, retryMs: 0 });
  await source.provide();
  await expect(source.provide()).resolves.toMatchObject({ accessKeyId: 'A' });
  resolve(key('B'));
  await expect.poll(async () => (await source.provide()).accessKeyId).toBe('B');
});

test('they are read again before they expire, and used until something better is there', async () => {
  const read = vi.fn(() => Promise.reject(new Error('no STS'))) as ReturnType<
    typeof vi.fn<() => Promise<ReturnType<typeof key>>>
  >;
  read.mockResolvedValueOnce(key('A', HOUR_MS / 60));
  const source = new CredentialsSource(read, { retryMs: 0 });
  await source.provide();
  await expect(source.provide()).resolves.toMatchObject({ accessKeyId: 'A' });
  await expect.poll(() => read.mock.calls.length).toBeGreaterThan(1);
  read.mockResolvedValue(key('B', HOUR_MS));
  await expect.poll(async () => (await source.provide()).accessKeyId).toBe('B');
});

test('expired ones are used only if nothing else can be read: the clock of this machine may be wrong', async () => {
  const read = vi.fn<() => Promise<ReturnType<typeof key>>>();
  read.mockResolvedValueOnce(key('A', -HOUR_MS)).mockRejectedValueOnce(new Error('no STS')).mockResolvedValue(key('B'));
  const source = new CredentialsSource(read);
  await source.provide();
  await expect(source.provide()).resolves.toMatchObject({ accessKeyId: 'A' });
  await expect(source.provide()).resolves.toMatchObject({ accessKeyId: 'B' });
});

test('refused credentials are not used again: the reason that there are no others is thrown, with a time limit', async () => {
  const read = vi.fn<() => Promise<ReturnType<typeof key>>>();
  read.mockResolvedValueOnce(key('A')).mockRejectedValueOnce(new TypeError('no file'));
  const source = new CredentialsSource(read, { readMs: 20 });
  await source.provide();
  source.refused();
  const failure: unknown = await source.provide().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CredentialsUnavailable);
  expect(failure).toMatchObject({ name: 'TypeError', message: 'getting credentials: no file' });
  read.mockImplementation(() => sleep(1_000, key('late'), { ref: false }));
  await expect(source.provide()).rejects.toMatchObject({ cause: { code: 'ETIMEDOUT' } });
});
