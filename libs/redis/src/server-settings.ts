import type { Redis } from 'ioredis';

const SETTINGS = ['maxmemory', 'maxmemory-policy', 'appendonly', 'appendfsync', 'no-appendfsync-on-rewrite'];

/** INFO's lines `name:value`. */
export function parseInfo(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** A server's settings; where a managed Redis forbids CONFIG, those that INFO shows. */
export async function settingsOf(server: Redis, info: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  try {
    const flat: unknown = await server.call('CONFIG', ['GET', ...SETTINGS]);
    return pairs(flat);
  } catch (error) {
    if (!(error instanceof Error) || !/NOPERM|unknown command/i.test(error.message)) throw error;
    const seen = new Map<string, string>();
    const copy = (from: string, to: string, map: (value: string) => string = (value) => value): void => {
      const value = info.get(from);
      if (value !== undefined) seen.set(to, map(value));
    };
    copy('maxmemory', 'maxmemory');
    copy('maxmemory_policy', 'maxmemory-policy');
    copy('aof_enabled', 'appendonly', (value) => (value === '1' ? 'yes' : 'no'));
    return seen;
  }
}

function pairs(reply: unknown): Map<string, string> {
  if (!Array.isArray(reply)) return new Map(Object.entries(reply ?? {}).map(([name, value]) => [name, String(value)]));
  const values = reply.map(String);
  return new Map(values.flatMap((name, index) => (index % 2 === 0 ? [[name, values[index + 1] ?? ''] as const] : [])));
}
