import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Environment, HandedConfig } from '@sink/config';

/** For the environment of a child that gets its configuration from this process. */
export const HANDED_ENVIRONMENT = { SINK_CONFIG_HANDED: 'stdin' } as const;

/** How long a child may take to say that it has taken a configuration. A child that starts takes it later. */
const TAKEN_WITHIN_MS = 5_000;

/** The messages between a process and the child that it hands its configuration to. */
interface Handing {
  readonly handing: number;
  readonly config: HandedConfig;
}
interface Taken {
  readonly taken: number;
  /** Processes that did not take it, the child itself or one that it started. */
  readonly silent: readonly string[];
}

let handings = 0;

/** Gives a child the configuration with which it starts: on its standard input, which has to be a pipe. */
export function startWithConfig(child: ChildProcess, config: HandedConfig): void {
  // A child that cannot be started, or ends at once, reads nothing.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(JSON.stringify(config));
}

/** In the child: the configuration with which it starts; null: it reads the file itself. */
export function configAtStart(env: Environment): HandedConfig | null {
  if (env['SINK_CONFIG_HANDED'] !== HANDED_ENVIRONMENT.SINK_CONFIG_HANDED) return null;
  const handed: unknown = JSON.parse(readFileSync(0, 'utf8'));
  if (!isConfig(handed)) throw new TypeError('reading the configuration from standard input: it is none');
  return handed;
}

/** Hands a configuration to children that run. Resolves to the names of those that did not confirm it in time. */
export async function handConfig(
  children: readonly { readonly name: string; readonly child: ChildProcess }[],
  config: HandedConfig,
): Promise<readonly string[]> {
  const answers = await Promise.all(
    children.map(async ({ name, child }) => {
      const silent = await hand(child, config);
      return silent === null ? [name] : silent.map((inner) => `${name} ${inner}`);
    }),
  );
  return answers.flat();
}

/** Null: no answer. */
function hand(child: ChildProcess, config: HandedConfig): Promise<readonly string[] | null> {
  const handing = handings++;
  return new Promise((resolve) => {
    const settle = (silent: readonly string[] | null): void => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(silent);
    };
    const onMessage = (message: unknown): void => {
      if (isTaken(message) && message.taken === handing) settle(message.silent);
    };
    // The next process of its kind starts with this configuration.
    const onExit = (): void => settle([]);
    const timer = setTimeout(() => settle(null), TAKEN_WITHIN_MS);
    child.on('message', onMessage);
    child.once('exit', onExit);
    if (child.connected) child.send({ handing, config } satisfies Handing, () => undefined);
  });
}

/**
 * In the child: calls `take` with each configuration that comes.
 * @param take resolves to the names of processes that did not take it
 */
export function takeConfig(take: (config: HandedConfig) => Promise<readonly string[]>): void {
  process.on('message', (message) => {
    if (!isHanding(message)) return;
    void take(message.config).then((silent) => {
      const taken: Taken = { taken: message.handing, silent };
      if (process.connected) process.send?.(taken, undefined, undefined, () => undefined);
    });
  });
}

function isConfig(value: unknown): value is HandedConfig {
  return typeof value === 'object' && value !== null && 'file' in value && 'pendingRestart' in value;
}

function isHanding(message: unknown): message is Handing {
  return typeof message === 'object' && message !== null && 'handing' in message && 'config' in message;
}

function isTaken(message: unknown): message is Taken {
  return typeof message === 'object' && message !== null && 'taken' in message && 'silent' in message;
}
