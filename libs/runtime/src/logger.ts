import { pino } from 'pino';
import type { DestinationStream, Logger as PinoLogger } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { redactByName, redactLine } from './secrets.ts';

export type Logger = PinoLogger;

export interface LoggerOptions {
  service: string;
  /** fatal, error, warn, info, debug, trace or silent. */
  level: string;
  /** Values that must not stand in any line, wherever they come from (see `secretsIn`). */
  secrets?: readonly string[];
  /** Where lines go; stdout by default. For tests. */
  destination?: DestinationStream;
}

const CAUSE_DEPTH_MAX = 5;

/**
 * JSON lines on stdout; readable lines where stdout is a terminal. Secrets are taken out three times over: by the name
 * of the field, as credentials in URLs, and by value. Errors show type, message, stack, code, retryable, remedy and
 * cause only: clients hang requests onto their errors (ioredis the arguments of AUTH).
 *
 * Lines are written synchronously, so that what a process says last is not lost with it.
 */
export function createLogger({ service, level, secrets = [], destination }: LoggerOptions): Logger {
  const log = pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: describeError, error: describeError },
      formatters: {
        level: (label) => ({ level: label }),
        log: redactObject,
      },
      hooks: { streamWrite: (line) => redactLine(line, secrets) },
    },
    destination ?? standardOutput(),
  );
  // pino leaves the bindings of child loggers unformatted; children inherit this method from their parent.
  const inherited = Reflect.get(log, 'child') as (this: unknown, bindings: object, options?: object) => unknown;
  Reflect.set(log, 'child', function (this: unknown, bindings: Record<string, unknown>, options?: object) {
    return inherited.call(this, redactObject(bindings), options);
  });
  return log;
}

function standardOutput(): DestinationStream {
  if (process.stdout.isTTY) return PinoPretty({ sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' });
  return pino.destination({ dest: 1, sync: true });
}

function redactObject(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(redactByName({ ...object }) as Record<string, unknown>));
}

/** What a log line shows of an error; anything else is shown as it is, less its secrets. */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return redactByName(error);
  const shown: Record<string, unknown> = { type: error.name, message: error.message, stack: error.stack };
  for (const key of ['code', 'retryable', 'remedy'] as const) {
    const value: unknown = Reflect.get(error, key);
    if (['string', 'number', 'boolean'].includes(typeof value)) shown[key] = value;
  }
  if (error.cause !== undefined && depth < CAUSE_DEPTH_MAX) shown['cause'] = describeError(error.cause, depth + 1);
  return shown;
}
