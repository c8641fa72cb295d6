import { codeOf } from './log-events.ts';

const ECS_VERSION = '8.17.0';

/**
 * A log line in the Elastic Common Schema: the fields of every line by its names, an error under `error`, and the fields
 * of the sink's own under `sink`, where they cannot collide with those of the schema.
 * @param line one line of JSON as pino writes it
 */
export function ecsLine(line: string): string {
  const { time, level, service, pid, msg, err, error, trace_id, span_id, ...rest } = JSON.parse(line) as Record<
    string,
    unknown
  >;
  const code = typeof msg === 'string' ? codeOf(msg) : null;
  const ecs = {
    '@timestamp': time,
    'log.level': level,
    message: msg,
    'ecs.version': ECS_VERSION,
    service: { name: `sink-aws-s3-${String(service)}`, type: 'sink-aws-s3' },
    process: { pid },
    event: { dataset: `sink-aws-s3.${String(service)}`, ...(code === null ? {} : { code }) },
    error: ecsError(err ?? error),
    trace: trace_id === undefined ? undefined : { id: trace_id },
    span: span_id === undefined ? undefined : { id: span_id },
    sink: Object.keys(rest).length === 0 ? undefined : rest,
  };
  return `${JSON.stringify(ecs)}\n`;
}

/** What `describeError` made; what was thrown and is no error is its message. */
function ecsError(error: unknown): object | undefined {
  if (error === undefined) return undefined;
  const isError = typeof error === 'object' && error !== null && 'message' in error;
  if (!isError) return { message: typeof error === 'string' ? error : JSON.stringify(error) };
  const { type, message, stack, code, ...more } = error as Record<string, string | number | boolean | undefined>;
  return { type, message, stack_trace: stack, code: code === undefined ? undefined : String(code), ...more };
}
