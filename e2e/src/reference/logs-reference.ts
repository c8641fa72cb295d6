import { LOG_EVENTS, type LogCode } from '@sink/runtime';
import { LOG_FIELDS, LOG_MEANINGS } from './log-descriptions.ts';
import { type LoggedLine, loggedLines } from './log-sources.ts';

/** What logs a line, by the project of its source. */
const BY_PROJECT: Readonly<Record<string, string>> = {
  ingest: 'ingest',
  batcher: 'batcher',
  uploader: 'uploader',
  sink: 'the whole sink',
  redis: 'each service',
  runtime: 'each process',
  tracing: 'each service',
  uploads: 'batcher, uploader',
};

/** docs/logs.md */
export function renderLogsReference(repository: string): string {
  const lines = loggedLines(repository);
  const rows = Object.entries(LOG_EVENTS).map(([code, msg]) => row(code as LogCode, msg, lines));
  const fields = Object.entries(LOG_FIELDS).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`);
  return [
    ...INTRODUCTION,
    '| event | level | logged by | text (`msg`) | fields | meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    '## Fields',
    '',
    '| field | meaning |',
    '| --- | --- |',
    ...fields,
    '',
  ].join('\n');
}

function row(code: LogCode, msg: string, lines: readonly LoggedLine[]): string {
  const logged = lines.filter((line) => line.msg === msg);
  const each = (of: (line: LoggedLine) => readonly string[]): string[] => [...new Set(logged.flatMap(of))];
  const level = each((line) => [line.level]).join(', ');
  const by = each((line) => [BY_PROJECT[line.project] ?? line.project]).join(', ');
  const fields = each((line) => line.fields).map((name) => (name === '…' ? '…' : `\`${name}\``));
  const text = msg.startsWith('{') ? 'varies' : `\`${msg}\``;
  return `| \`${code}\` | ${level} | ${by} | ${text} | ${fields.join(' ')} | ${LOG_MEANINGS[code]} |`;
}

const INTRODUCTION = [
  '# Logs',
  '',
  '<!-- Generated from libs/runtime/src/log-events.ts by "npm run docs". Do not edit. -->',
  '',
  'Each process writes lines to standard output. A service logs changes of state and failures, never each event: at `log_level: info` a sink without trouble is silent. A failure that goes on is logged when it begins, every ten seconds with the number of lines left out (`suppressed`), and when it ends.',
  '',
  '`log_format` chooses what a line looks like:',
  '',
  '| `log_format` | lines |',
  '| --- | --- |',
  '| `json` | JSON with `level`, `time`, `service`, `pid`, the fields of the event, and `msg` |',
  '| `ecs` | JSON in the [Elastic Common Schema](https://www.elastic.co/guide/en/ecs/current/index.html) |',
  '| `pretty` | text for people |',
  '| not set | `pretty` on a terminal, else `json` |',
  '',
  'The same line in `json` and in `ecs`. `event.code` is the name in the table below; the fields of the event are under `sink`, and errors under `error`:',
  '',
  '```json',
  '{"level":"info","time":"2026-11-28T21:00:00.000Z","service":"uploader","pid":7,"holdMs":1000,"kind":"throttled","code":"SlowDown","msg":"the store fails or throttles: uploads are on hold"}',
  '{"@timestamp":"2026-11-28T21:00:00.000Z","log.level":"info","message":"the store fails or throttles: uploads are on hold","ecs.version":"8.17.0","service":{"name":"sink-aws-s3-uploader","type":"sink-aws-s3"},"process":{"pid":7},"event":{"dataset":"sink-aws-s3.uploader","code":"uploads_held"},"sink":{"holdMs":1000,"kind":"throttled","code":"SlowDown"}}',
  '```',
  '',
  'A line that belongs to a sampled request or segment has `trace_id` and `span_id` ([Tracing](tracing.md)).',
  '',
  'Secrets of the configuration, and credentials in addresses, are never in a line, whatever its format.',
  '',
  '## Events',
  '',
  '`…` in a text is a part that varies, and among the fields those of an object. A later release may word a text better; the names of the events stay.',
  '',
];
