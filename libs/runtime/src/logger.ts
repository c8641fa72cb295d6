import { pino } from 'pino';
import type { BaseLogger, DestinationStream } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { ecsLine } from './ecs-line.ts';
import { redactByName, redactLine } from './secrets.ts';

/** `ecs`: JSON lines in the Elastic Common Schema; `pretty`: lines for people. */
export type LogFormat = 'json' | 'ecs' | 'pretty';

/** Has no `child`, because pino does not redact the fields of child loggers. */
export type Logger = BaseLogger;

export interface LoggerOptions {
  service: string;
  /** fatal, error, warn, info, debug, trace or silent. */
  level: string;
  /** Null: JSON lines, and for people if stdout is a terminal. */
  format?: LogFormat | null;
  /** Values that no line may contain, wherever they come from (`SinkConfig.secrets`). */
  secrets?: readonly string[];
  /** The same for values that come later (`SinkConfig.secretsReadAgain`). */
  secretsReadAgain?: ReadonlySet<string>;
  /** Where lines go; stdout by default, with `pretty` it has to be that. For tests. */
  destination?: DestinationStream;
}

const CAUSE_DEPTH_MAX = 5;

/**
 * Writes lines to stdout, in the given format. Secrets are removed in three ways: by the name of
 * the field, as credentials in URLs, and by value. Of an error, under `err` or `error`, a line shows type, message, stack,
 * code, retryable, remedy and cause only, because clients attach requests to their errors (ioredis the arguments of AUTH).
 *
 * Lines are written synchronously, so that the last line of a process that ends is not lost.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { service, level, format = null, secrets = [], secretsReadAgain = new Set<string>(), destination } = options;
  const shaped = (line: string): string => (format === 'ecs' ? ecsLine(line) : line);
  return pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: describeError, error: describeError },
      formatters: {
        level: (label) => ({ level: label }),
        log: redactObject,
      },
      hooks: { streamWrite: (line) => redactLine(redactLine(shaped(line), secrets), secretsReadAgain) },
    },
    destination ?? standardOutput(format),
  );
}

function standardOutput(format: LogFormat | null): DestinationStream {
  const isPretty = format === null ? process.stdout.isTTY : format === 'pretty';
  if (isPretty) return PinoPretty({ sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' });
  return pino.destination({ dest: 1, sync: true });
}

function redactObject(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(redactByName({ ...object }) as Record<string, unknown>));
}

/** What a log line shows of an error. Other values are shown as they are, without their secrets. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return redactByName(error);
  const shown: Record<string, unknown> = { type: error.name, message: error.message, stack: error.stack };
  for (const key of ['code', 'retryable', 'remedy'] as const) {
    const value: unknown = Reflect.get(error, key);
    if (['string', 'number', 'boolean'].includes(typeof value)) shown[key] = value;
  }
  if (error.cause !== undefined && depth < CAUSE_DEPTH_MAX) shown['cause'] = describeError(error.cause, depth + 1);
  return shown;
}
