import { z } from 'zod';
import { DEFAULT_PLACES } from './config-file.ts';
import { environmentName } from './keys.ts';
import { sections, settings, settingPaths, isSettingPath, type SettingPath } from './settings.ts';

type JsonSchema = Record<string, unknown>;

function schemaOf(path: SettingPath): JsonSchema {
  const { description, allowed, schema } = settings[path];
  const generated: JsonSchema = z.toJSONSchema(schema, { io: 'input' });
  delete generated['$schema'];
  return { ...generated, description: `${description} Allowed: ${allowed}.` };
}

/** The JSON Schema of a configuration file, for editors: canonical spellings only. */
export function jsonSchema(): JsonSchema {
  const properties: Record<string, JsonSchema> = { $schema: { type: 'string' } };
  const nested: Record<string, Record<string, JsonSchema>> = {};
  for (const path of settingPaths) {
    const [section, key] = path.split('.');
    if (section === undefined) continue;
    if (key === undefined) properties[section] = schemaOf(path);
    else (nested[section] ??= {})[key] = schemaOf(path);
  }
  for (const [section, keys] of Object.entries(nested)) {
    properties[section] = { type: 'object', additionalProperties: false, properties: keys };
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'sink-aws-s3',
    type: 'object',
    additionalProperties: false,
    properties,
  };
}

/** docs/config.schema.json */
export function renderJsonSchema(): string {
  return `${JSON.stringify(jsonSchema(), undefined, 2)}\n`;
}

/** docs/configuration.md */
export function renderReference(): string {
  const tables = sections.map(({ title, fields }) => {
    const rows = Object.keys(fields).filter(isSettingPath).map(renderRow);
    return [`## ${title}`, '', '| Key | Default | Allowed | What it does |', '| --- | --- | --- | --- |', ...rows].join(
      '\n',
    );
  });
  return `${INTRODUCTION}\n${tables.join('\n\n')}\n`;
}

function renderRow(path: SettingPath): string {
  const { default: initial } = schemaOf(path);
  const { allowed, description } = settings[path];
  const shown =
    initial === undefined ? '' : `\`${initial === '' ? "''" : JSON.stringify(initial).replaceAll('"', '')}\``;
  return `| \`${path}\` | ${shown} | ${escape(allowed)} | ${escape(description)} |`;
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|');
}

const EXAMPLE_NAMES = (['port', 'redis.url', 'aws.secret_access_key_file'] as const)
  .map((path) => `\`${path}\` is \`${environmentName(path)}\``)
  .join(', ');

const INTRODUCTION = `# Configuration

<!-- Generated from libs/config by "npm run docs". Do not edit. -->

Everything has a default: without any configuration the sink runs a Redis of its own and writes objects as plain files
below \`./data/objects\`. A configuration that can't be used stops the start with exit code 78 and a list of all
mistakes, each with its key, what was given and what is allowed.

\`\`\`yaml
port: 8080
region: us-west-2
bucket: mybucket
flush_size: 1000
scheduled_interval: 60
compression: gzip
redis:
  url: rediss://redis.example.com:6379
  password_file: /run/secrets/redis
\`\`\`

**Where it comes from.** Later ones win, key by key:

1. the defaults;
2. one file, YAML or JSON: the one of \`--config\`, else of \`CONNECTOR_CONFIG\`, else the first that exists of
${DEFAULT_PLACES.map((place) => `   \`${place}\``).join(',\n')};
3. the environment: every key, in upper case and with \`SINK_\` in front: ${EXAMPLE_NAMES}.
   Lists are written with commas, mappings as \`from=to,from=to\`. A variable that is empty counts as not set;
4. the command line.

**Keys** are read without regard to case, \`_\` and \`-\`: \`flush_size\`, \`flushSize\` and \`FLUSH_SIZE\` are the same, and
giving one key twice is a mistake. A nested key can be written flat (\`redis_url\`). The names of the older JSON
configuration, \`v_port\` and \`bucketName\`, mean \`port\` and \`bucket\`. A key that does not exist is a mistake, also in
the environment (what Kubernetes sets for a service named \`sink…\` is left alone). A key without a value counts as not
given.

**Values.** Numbers may be text. A duration is a number of seconds, or text with a unit: \`500ms\`, \`4s\`, \`2m\`, \`1h\`. A
size is a number of bytes, or text with a unit: \`128MiB\` (1024²), \`128MB\` (1000²).

**Secrets** can stand in a file: the key with \`_file\` holds its path. A secret and its file exclude each other in one
source; the later source wins. Line breaks at the end of the file are dropped. Secrets are never printed.

**Editors** know the keys with [config.schema.json](config.schema.json): put
\`# yaml-language-server: $schema=<path>/config.schema.json\` at the top of the file, or \`"$schema"\` into a JSON file.
`;
