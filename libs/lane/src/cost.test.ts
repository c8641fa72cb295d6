import { CHUNK_BYTES_MAX, type RoutedReceipt, SEGMENT_SLICES_MAX, type Slice } from '@sink/domain';
import { expect, test } from 'vitest';
import { chunkCostBytes, RECEIPT_MEMORY_BYTES, ROUTED_RECEIPT_EXTRA_BYTES } from './cost.ts';
import { LaneWorld, receiptOf } from './test/lane-world.ts';

const world = new LaneWorld();

async function usedBytes(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await world.redis.info('memory'))?.[1]);
}

test.each([
  [300, 2_000],
  [3_000, 1_000],
  [4_500, 1_000],
  [20_000, 500],
  [330_000, 60],
  [530_000, 60],
  [CHUNK_BYTES_MAX, 40],
])('a chunk of %i bytes takes as much of Redis’ memory as it is counted for', async (bytes, chunks) => {
  const { redis, lane } = world;
  const body = `${'x'.repeat(bytes - 1)}\n`;
  // Redis has loaded the script before the first chunk: its memory is not a chunk's.
  expect(await world.ingest.append(world.request(1, { writer: 'unknown' }))).toBe('unknown_writer');
  await redis.info('memory');
  const before = await usedBytes();
  for (let n = 0; n < chunks; n++) await world.ingest.append(world.request(1, { body }));
  // Delivered to a consumer, but not through this connection's buffers. Redis from 8 on counts Lua's garbage as well.
  await redis.eval(
    `redis.call('XREADGROUP', 'GROUP', 'batchers', 'b1', 'STREAMS', KEYS[1], '>') collectgarbage() return 1`,
    1,
    lane.keys.chunks,
  );
  const eachBytes = ((await usedBytes()) - before) / chunks;
  expect((await lane.backlog()).bytes).toBe(chunks * chunkCostBytes(bytes));
  expect(chunkCostBytes(bytes)).toBeGreaterThan(eachBytes * 0.95);
  expect(chunkCostBytes(bytes)).toBeLessThan(eachBytes * 1.3);
});

test.each([
  [300, 100],
  [300, 8_000],
  [30_000, 8_000],
])('a chunk of %i bytes with %i of origins is counted for its memory', async (bytes, originBytes) => {
  const chunks = 1_000;
  const request = { body: `${'x'.repeat(bytes - 1)}\n`, origins: 'o'.repeat(originBytes) };
  for (let n = 0; n < chunks; n++) await world.ingest.append(world.request(1, request));
  // Not all that Redis uses: it frees the large buffers of the tests before in the meantime.
  const eachBytes = Number(await world.redis.memory('USAGE', world.lane.keys.chunks, 'SAMPLES', 0)) / chunks;
  const countedBytes = (await world.lane.backlog()).bytes / chunks;
  expect(countedBytes).toBeGreaterThan(eachBytes * 0.95);
  expect(countedBytes).toBeLessThan((eachBytes + 150) * 1.3);
});

test.each([
  [300, 20],
  [300, 900],
  [3_500, 900],
  [30_000, 900],
])('a chunk of %i bytes with a path of %i is counted for its memory', async (bytes, pathBytes) => {
  const chunks = 300;
  const request = { body: `${'x'.repeat(bytes - 1)}\n`, route: 'a'.repeat(40), path: 'p'.repeat(pathBytes) };
  for (let n = 0; n < chunks; n++) await world.ingest.append(world.request(1, request));
  const eachBytes = Number(await world.redis.memory('USAGE', world.lane.keys.chunks, 'SAMPLES', 0)) / chunks;
  const countedBytes = (await world.lane.backlog()).bytes / chunks;
  expect(countedBytes).toBeGreaterThan(eachBytes * 0.95);
  expect(countedBytes).toBeLessThan((eachBytes + 400) * 1.3);
});

test.each([1, 30, SEGMENT_SLICES_MAX / 4])(
  'a record of %i slices is counted for no less than its memory',
  async (chunks) => {
    const { lane } = world;
    const slices: Slice[] = [];
    for (let n = 0; n < chunks; n++) slices.push([await world.append(2), 0, 1]);
    const stored = (await lane.backlog()).bytes;
    expect(await world.seal('s1', slices)).toBeNull();
    const sealedBytes = (await lane.backlog()).bytes - stored;
    const recordBytes = Number(await world.redis.memory('USAGE', lane.keys.records, 'SAMPLES', 0));
    expect(sealedBytes).toBeGreaterThan(recordBytes);
    await world.uploader.commit(receiptOf('s1'), 10);
    expect((await lane.backlog()).bytes).toBe(stored);
  },
);

const ROUTED: Pick<RoutedReceipt, 'v' | 'bucket' | 'route' | 'path' | 'checksum'> = {
  v: 2,
  bucket: 'b'.repeat(63),
  route: '_quarantine',
  path: '2026/11/23/10',
  checksum: { algorithm: 'CRC32', value: 'AAAAAA==' },
};

test.each([1, 2])('a receipt of version %i is counted for no less than its memory', async (version) => {
  const { redis, lane } = world;
  const receipt = receiptOf('1764350000000-0-1764350000000-0-b0123456789abcdef');
  const key = `${'p'.repeat(48)}2026/11/23/10/eventing-0123456789abcdef-1764350000000-0-0-${'0'.repeat(32)}.ndjson.zst`;
  const many = 1_000;
  const a = await world.append(many);
  await world.read();
  const sealed = Array.from({ length: many }, (_, n) => `s${n}`);
  for (const [n, id] of sealed.entries()) await world.seal(id, [[a, n, n + 1]]);
  for (const id of sealed) {
    const plain = { ...receipt, id, key, etag: `"${'e'.repeat(32)}"`, sha256: 'f'.repeat(64) };
    await world.uploader.commit(version === 1 ? plain : { ...plain, ...ROUTED }, many, undefined, 'events at AWS');
  }
  expect(await redis.xlen(lane.keys.receipts)).toBe(many);
  const eachBytes = Number(await redis.memory('USAGE', lane.keys.receipts, 'SAMPLES', 0)) / many;
  const countedBytes = RECEIPT_MEMORY_BYTES + (version === 1 ? 0 : ROUTED_RECEIPT_EXTRA_BYTES);
  expect(eachBytes).toBeLessThan(countedBytes);
  expect(eachBytes).toBeGreaterThan(RECEIPT_MEMORY_BYTES / 2);
});
