import { once } from 'node:events';
import { createConnection } from 'node:net';
import { type Environment, loadLeniently } from '@sink/config';
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from '@sink/runtime';
import { type ReloadAnswer, reloadSocket } from '../supervisor/follow-config.ts';

/** Some keys wait for a restart, or a service has not confirmed yet. */
const EXIT_WAITS = 2;
const ANSWER_MS = 15_000;

export interface ReloadOptions {
  readonly configFile: string | null;
  readonly env: Environment;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
}

/**
 * Has the sink that holds the lock of `data_dir` read its configuration file again, and prints what became of it.
 * Resolves to the exit code: 0 all of it is in force, 2 a part waits, 78 the file is refused, 1 no sink answers.
 */
export async function reload({ configFile, env, write, writeError }: ReloadOptions): Promise<number> {
  const { dataDir } = loadLeniently(configFile === null ? { env } : { file: configFile, env });
  const answer = await ask(reloadSocket(dataDir));
  if (typeof answer === 'string') {
    writeError(
      `sink: no sink with its own Redis answers on the data directory ${dataDir} (${answer}). A service, or a sink with redis.url, reads its changed file within seconds, or at once on SIGHUP\n`,
    );
    return EXIT_FAILED;
  }
  switch (answer.outcome) {
    case 'in_force':
      write(answer.text);
      return EXIT_OK;
    case 'waits':
      write(answer.text);
      return EXIT_WAITS;
    case 'rejected':
      writeError(answer.text);
      return EXIT_CONFIG;
  }
}

/** A text says why there is no answer. */
async function ask(path: string): Promise<ReloadAnswer | string> {
  const socket = createConnection(path);
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
  try {
    await once(socket, 'connect');
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(Buffer.from(chunk as Buffer));
    const answer: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return isAnswer(answer) ? answer : 'it gives another answer';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    socket.destroy();
  }
}

function isAnswer(value: unknown): value is ReloadAnswer {
  return typeof value === 'object' && value !== null && 'text' in value && 'outcome' in value;
}
