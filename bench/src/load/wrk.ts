import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess, temporaryDirectory } from '@sink/testing';
import type { LoadGenerator, LoadOptions, LoadResult } from './load.ts';
import { rawRequest } from './raw-request.ts';
import type { Message } from './traffic.ts';

/** As long as that of autocannon: on a busy machine, a slow answer is not a failure. */
const TIMEOUT = '10s';
/** Node raises its own limit of open files, but wrk does not. */
const WITH_ALL_DESCRIPTORS = 'ulimit -n "$(ulimit -Hn)"; exec wrk "$@"';

/** Runs wrk (C, one thread) as a process of its own. */
export class WrkLoad implements LoadGenerator {
  readonly name = 'wrk';

  /** Null when PATH has no wrk that runs. */
  static async find(): Promise<WrkLoad | null> {
    try {
      const wrk = await startProcess({ command: 'wrk', args: ['-v'] });
      await wrk.exited;
      return wrk.output().startsWith('wrk ') ? new WrkLoad() : null;
    } catch {
      return null;
    }
  }

  async run({ url, messages, connections, seconds }: LoadOptions): Promise<LoadResult> {
    const script = join(temporaryDirectory('wrk'), 'messages.lua');
    await writeFile(script, luaScript(messages, new URL(url).host));
    const args = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', TIMEOUT, '-s', script, url];
    const wrk = await startProcess({ command: 'sh', args: ['-c', WITH_ALL_DESCRIPTORS, 'wrk', ...args] });
    const [, summary = ''] = await wrk.waitFor(/^summary (.*)$/m, { timeoutMs: (seconds + 30) * 1000 });
    await wrk.exited;
    return JSON.parse(summary) as LoadResult;
  }
}

/**
 * Sends the messages by turns and prints a LoadResult as JSON. A JSON string is a Lua string as long as it is ASCII.
 */
function luaScript(messages: readonly Message[], host: string): string {
  return `
local messages = {
${messages.map((message) => JSON.stringify(rawRequest(message, host))).join(',\n')}
}
local last = 0
function request()
  last = last % #messages + 1
  return messages[last]
end
function done(summary)
  local e = summary.errors
  print(string.format('summary {"acknowledged":%d,"failed":%d,"seconds":%f}',
    summary.requests - e.status, e.status + e.connect + e.read + e.write + e.timeout, summary.duration / 1e6))
end
`;
}
