import type { Redis } from 'ioredis';

const NAMES = ['maxmemory', 'maxmemory-policy', 'appendonly', 'appendfsync', 'no-appendfsync-on-rewrite'] as const;

type SettingName = (typeof NAMES)[number];

/** The settings of a server. Settings that are not visible are absent. */
export type ServerSettings = ReadonlyMap<SettingName, string>;

/** The lines `name:value` of INFO. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** Settings from CONFIG GET; if that is forbidden, as in managed services, those that INFO shows. */
export async function readServerSettings(server: Redis, info: ReadonlyMap<string, string>): Promise<ServerSettings> {
  const settings = new Map<SettingName, string>();
  const fromInfo: [SettingName, string | undefined][] = [
    ['maxmemory', info.get('maxmemory')],
    ['maxmemory-policy', info.get('maxmemory_policy')],
    ['appendonly', { 0: 'no', 1: 'yes' }[info.get('aof_enabled') ?? '']],
  ];
  for (const [name, value] of [...fromInfo, ...pairs(await readConfig(server))]) {
    const known = NAMES.find((candidate) => candidate === name);
    if (known !== undefined && value !== undefined) settings.set(known, value);
  }
  return settings;
}

async function readConfig(server: Redis): Promise<unknown> {
  try {
    return await server.call('config', ['GET', ...NAMES]);
  } catch (error) {
    // Servers forbid CONFIG in different words (NOPERM, unknown command, not supported). Other errors are not replies.
    if (
      error instanceof Error &&
      error.name === 'ReplyError' &&
      !/^(LOADING|MASTERDOWN|TRYAGAIN)\b/.test(error.message)
    ) {
      return [];
    }
    throw error;
  }
}

/** Parses a map reply of RESP2: names and values in turn. */
function pairs(reply: unknown): [string, string][] {
  if (!Array.isArray(reply)) return [];
  const values = reply.map(String);
  return values.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name.toLowerCase(), values[index + 1] ?? '']] : [],
  );
}
