import { IoredisPort, LaneView } from '@sink/lane';
import { Cluster, type Redis } from 'ioredis';

/** Keys of other programs on a shared Redis are not looked at without end. */
const SCANS_MAX = 200;
const SCAN_COUNT = 1_000;
const LANES = /^\{([a-z0-9-]{1,64})\}:lanes$/;
/** Of a batcher instance; that of an uploader outlives it for longer. */
const LEASE = /^\{([a-z0-9-]{1,64}):\d+\}:lease:(?!spool-)/;

/**
 * Other sinks on this Redis whose events wait while no batcher of theirs is alive, each as a sentence. That is so after
 * `sink_name` was changed. What this user may not read is left out. Never rejects.
 *
 * @param shared whether another sink may run on this Redis; on a sink's own Redis a lease is one of the past
 */
export async function describeOtherSinks(
  redis: Redis | Cluster,
  sinkName: string,
  { shared }: { readonly shared: boolean } = { shared: true },
): Promise<readonly string[]> {
  try {
    const names = await namesIn(redis, '{*}:lanes', LANES);
    names.delete(sinkName);
    if (names.size === 0) return [];
    const alive = shared ? await namesIn(redis, '{*}:lease:*', LEASE) : new Set<string>();
    const waiting = [...names].filter((name) => !alive.has(name)).map((name) => sentenceOf(redis, name));
    return (await Promise.all(waiting)).filter((sentence) => sentence !== null);
  } catch {
    return [];
  }
}

async function namesIn(redis: Redis | Cluster, pattern: string, name: RegExp): Promise<Set<string>> {
  const names = new Set<string>();
  for (const node of redis instanceof Cluster ? redis.nodes('master') : [redis]) {
    let cursor = '0';
    for (let scans = 0; scans < SCANS_MAX; scans++) {
      const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT);
      for (const key of keys) names.add(name.exec(key)?.[1] ?? '');
      cursor = next;
      if (cursor === '0') break;
    }
  }
  names.delete('');
  return names;
}

async function sentenceOf(redis: Redis | Cluster, name: string): Promise<string | null> {
  try {
    const port = new IoredisPort(redis);
    const lanes = (await redis.smembers(`{${name}}:lanes`)).map((number) => new LaneView(port, name, Number(number)));
    const backlogs = await Promise.all(lanes.flatMap((lane) => [lane.backlog(), lane.spilledBacklog()]));
    const events = backlogs.reduce((sum, backlog) => sum + backlog.events, 0);
    if (events === 0) return null;
    return `${events} events of the sink "${name}" wait on this Redis, and none of its batchers is alive: if sink_name was changed, run the sink with sink_name: ${name} until they are in the bucket`;
  } catch {
    return null;
  }
}
