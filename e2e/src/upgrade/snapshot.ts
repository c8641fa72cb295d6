import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Redis } from 'ioredis';

/** Precedes an argument that is bytes and not text. */
const BASE64 = 'base64:';

/** Everything a sink has in Redis and in its spool, in a form that can be restored into any later Redis. */
export interface Snapshot {
  /**
   * The commands that restore the keys, pending lists included. Leases are left out, because their holders are dead.
   */
  readonly commands: readonly (readonly string[])[];
  /** The spool files in base64, by their path below `data_dir`. */
  readonly files: Readonly<Record<string, string>>;
}

export async function takeSnapshot(client: Redis, dataDir: string): Promise<Snapshot> {
  const keys = (await client.keys('*')).filter((key) => !key.includes(':lease:')).sort();
  const commands: string[][] = [];
  for (const key of keys) commands.push(...(await commandsFor(client, key)));
  const spool = readdirSync(join(dataDir, 'spool'), { recursive: true, withFileTypes: true });
  const files = spool
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path.slice(dataDir.length + 1), readFileSync(path).toString('base64')]);
  return { commands, files: Object.fromEntries(files) as Record<string, string> };
}

export async function restoreSnapshot(client: Redis, dataDir: string, { commands, files }: Snapshot): Promise<void> {
  for (const [command = '', ...args] of commands) await client.call(command, ...args.map(argumentOf));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dataDir, path)), { recursive: true });
    writeFileSync(join(dataDir, path), Buffer.from(content, 'base64'));
  }
}

function argumentOf(text: string): string | Buffer {
  return text.startsWith(BASE64) ? Buffer.from(text.slice(BASE64.length), 'base64') : text;
}

async function commandsFor(client: Redis, key: string): Promise<string[][]> {
  const type = await client.type(key);
  switch (type) {
    case 'string':
      return [['SET', key, (await client.get(key)) ?? '']];
    case 'hash':
      return [['HSET', key, ...Object.entries(await client.hgetall(key)).flat()]];
    case 'set':
      return [
        ['SADD', key, ...(await client.smembersBuffer(key)).map((member) => `${BASE64}${member.toString('base64')}`)],
      ];
    case 'list':
      return [['RPUSH', key, ...(await client.lrange(key, 0, -1))]];
    case 'zset': {
      const flat = await client.zrange(key, '0', '-1', 'WITHSCORES');
      return flat.flatMap((member, at) => (at % 2 === 0 ? [['ZADD', key, flat[at + 1] ?? '', member]] : []));
    }
    case 'stream':
      return streamCommands(client, key);
    default:
      throw new Error(`taking a snapshot: key ${key} is a ${type}`);
  }
}

async function streamCommands(client: Redis, key: string): Promise<string[][]> {
  const entries = await client.xrange(key, '-', '+');
  const commands = entries.map(([id, fields]) => ['XADD', key, id, ...fields]);
  for (const info of (await client.call('XINFO', 'GROUPS', key)) as (string | number)[][]) {
    const fieldOf = (name: string): string => String(info[info.indexOf(name) + 1]);
    const [group, delivered] = [fieldOf('name'), fieldOf('last-delivered-id')];
    commands.push(['XGROUP', 'CREATE', key, group, delivered, 'MKSTREAM']);
    const pending = (await client.xpending(key, group, '-', '+', 1_000)) as [string, string][];
    for (const [id, consumer] of pending) {
      commands.push(['XCLAIM', key, group, consumer, '0', id, 'FORCE', 'JUSTID']);
    }
  }
  return commands;
}
