import { connect } from 'node:net';
import type { OwnRedisSettings } from './redis-conf.ts';

const TIMEOUT_MS = 5_000;
const OK = '+OK\r\n';

/**
 * Sends one command to the sink's own Redis, on a connection of its own, and resolves to the answer as Redis sends it. Not
 * with ioredis, which would cost the supervisor more memory than it has.
 * @throws Error with Redis' words when it refuses; errors of the connection
 */
export async function askRedis(
  { port, password }: Pick<OwnRedisSettings, 'port' | 'password'>,
  ...command: readonly string[]
): Promise<string> {
  const answer = await exchange(port, [['AUTH', password], command, ['QUIT']].map(encode).join(''));
  const text = answer.startsWith(OK) ? answer.slice(OK.length) : answer;
  if (text.startsWith('-')) throw new Error(text.slice(1).split('\r\n')[0]);
  return text.endsWith(OK) ? text.slice(0, -OK.length) : text;
}

/** The value of a field in an answer to INFO; 0 when there is none. */
export function infoNumber(info: string, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}

function encode(words: readonly string[]): string {
  return [`*${words.length}`, ...words.flatMap((word) => [`$${Buffer.byteLength(word)}`, word]), ''].join('\r\n');
}

function exchange(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port });
    socket.setEncoding('utf8');
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('Redis does not answer')));
    socket.on('data', (text: string) => (answer += text));
    socket.once('error', reject);
    socket.once('close', () => (answer === '' ? reject(new Error('Redis closed the connection')) : resolve(answer)));
    socket.write(request);
  });
}
