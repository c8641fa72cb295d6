import { flushKey } from '../keys.ts';
import type { LaneKeys } from '../keys.ts';
import { type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asList, asText } from '../reply.ts';
import { step } from '../step.ts';

/**
 * askFlush: asks all batchers for a flush, or renews the request, unless there is one of somebody else. The request expires,
 * so that one whose asker was killed does not stay.
 *
 * In: the asker's id, its request as JSON, how long it lasts in milliseconds; `instead`: the request of somebody else that
 * it may replace ('': none).
 * Answers: `asked`, or the request that is there.
 */
export const askFlushStep = step({
  name: 'askFlush',
  draining: true,
  keys: ['flush'],
  args: { id: 'text', request: 'text', ttlMs: 'number', instead: 'text' },
  lua: `
local there = redis.call('GET', flush)
if there and there ~= instead and string.sub(there, 1, #id + 1) ~= id .. ' ' then return there end -- rule: flush.one
redis.call('SET', flush, id .. ' ' .. request, 'PX', ttlMs)
return 'asked'
`,
});

/** endFlush: takes the asker's request away, if it is still there. */
export const endFlushStep = step({
  name: 'endFlush',
  draining: true,
  keys: ['flush'],
  args: { id: 'text' },
  lua: `
local there = redis.call('GET', flush)
if there and string.sub(there, 1, #id + 1) == id .. ' ' then redis.call('DEL', flush) end
return 'ended'
`,
});

/** chunkPaths: the paths of chunks, without their bodies. A chunk that is gone has none. */
export const chunkPathsStep = step({
  name: 'chunkPaths',
  draining: true,
  keys: ['chunks'],
  args: { ids: 'list' },
  lua: `
local paths = {}
for i, id in ipairs(ids) do
  paths[i] = ''
  local entry = redis.call('XRANGE', chunks, id, id)[1]
  local fields = entry and entry[2] or {}
  for at = 1, #fields, 2 do
    if fields[at] == 'p' then paths[i] = fields[at + 1] end
  end
end
return paths
`,
});

/** What is asked of all batchers: to close what holds chunks up to the given ones. */
export interface FlushRequest {
  readonly id: string;
  /** Lane -> the id of its last chunk that is to be in the bucket. */
  readonly upTo: Readonly<Record<string, string>>;
  /** Only chunks of this path; null: all. */
  readonly path: string | null;
  /** Whether the asker waits, and renews its request. */
  readonly waits: boolean;
  /** When the asker gives up: Unix time in milliseconds. */
  readonly untilMs: number;
}

/** A request with the text that it is stored as. */
export interface AskedFlush {
  readonly request: FlushRequest;
  readonly text: string;
}

/** Null: it is asked for. Otherwise the request of somebody else. */
export async function askFlush(
  redis: RedisPort,
  sinkName: string,
  request: FlushRequest,
  ttlMs: number,
  instead = '',
): Promise<AskedFlush | null> {
  const { id, ...rest } = request;
  const args = { id, request: JSON.stringify(rest), ttlMs, instead };
  const reply = await askFlushStep.run(redis, { flush: flushKey(sinkName) }, args);
  return reply === 'asked' ? null : parseFlush(reply);
}

export async function endFlush(redis: RedisPort, sinkName: string, id: string): Promise<void> {
  await endFlushStep.run(redis, { flush: flushKey(sinkName) }, { id });
}

/** The request that batchers are to follow; null: there is none. */
export async function readFlush(redis: RedisPort, sinkName: string): Promise<FlushRequest | null> {
  const reply = await redis.call('GET', [flushKey(sinkName)]);
  return reply === null ? null : parseFlush(reply).request;
}

/** '' for a chunk that is gone. */
export async function chunkPaths(redis: RedisPort, keys: LaneKeys, ids: readonly string[]): Promise<string[]> {
  return asList(await chunkPathsStep.run(redis, keys, { ids })).map((path) => asText(path) ?? '');
}

function parseFlush(reply: unknown): AskedFlush {
  const text = asText(reply) ?? '';
  try {
    const [id = '', json = ''] = /^(\S+) (.*)$/s.exec(text)?.slice(1) ?? [];
    return { request: { id, ...(JSON.parse(json) as Omit<FlushRequest, 'id'>) }, text };
  } catch {
    throw new UnexpectedAnswer('reading the request for a flush', reply);
  }
}
