import { z } from 'zod';
import { isLive } from './changes.ts';
import { DEFAULT_PLACES } from './config-file.ts';
import { alsoText, type Field } from './field.ts';
import { environmentName } from './keys.ts';
import { sections, settings, settingPaths, isSettingPath, type SettingPath } from './settings.ts';

type JsonSchema = Record<string, unknown>;

function schemaOf(path: SettingPath): JsonSchema {
  const { description, allowed, schema } = settings[path];
  const ofType = generated(schema);
  delete ofType['$schema'];
  return {
    ...ofType,
    description: `${description} Allowed: ${allowed}. Change: ${changeOf(path)}.`,
    'x-change': changeOf(path),
  };
}

/** Whether a change of the key takes effect in a running sink, or at its next start. */
function changeOf(path: SettingPath): 'live' | 'restart' {
  return isLive(path) ? 'live' : 'restart';
}

/** The JSON Schema of a configuration file, for editors, in canonical spelling only. */
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
    const rows = Object.keys(fields).filter(isSettingPath).flatMap(renderRows);
    const head = ['| Key | Default | Change | Allowed | What it does |', '| --- | --- | --- | --- | --- |'];
    return [`## ${title}`, '', ...head, ...rows].join('\n');
  });
  return `${INTRODUCTION}\n${tables.join('\n\n')}\n`;
}

function renderRows(path: SettingPath): string[] {
  return [renderRow(path, settings[path], changeOf(path)), ...rowsInside(path, settings[path], changeOf(path))];
}

/** The keys inside a value: `producers[].name`. */
function rowsInside(path: string, { nested }: Field, change: string): string[] {
  if (nested === undefined) return [];
  const before = nested.kind === 'list' ? `${path}[].` : `${path}.`;
  return Object.entries(nested.shape).flatMap(([key, inner]) => [
    renderRow(before + key, inner, change),
    ...rowsInside(before + key, inner, change),
  ]);
}

function renderRow(path: string, { schema, allowed, description }: Field, change: string): string {
  const { default: initial } = generated(schema);
  const shown =
    initial === undefined ? '' : `\`${initial === '' ? "''" : JSON.stringify(initial).replaceAll('"', '')}\``;
  return `| \`${path}\` | ${shown} | ${change} | ${escape(allowed)} | ${escape(description)} |`;
}

function generated(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      const textSchema = alsoText.get(zodSchema);
      if (textSchema === undefined) return;
      const text = z.toJSONSchema(textSchema, { io: 'input' });
      delete text.$schema;
      const own = { ...jsonSchema };
      for (const key of Object.keys(own)) Reflect.deleteProperty(jsonSchema, key);
      jsonSchema.anyOf = [text, own];
    },
  });
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|');
}

const EXAMPLE_NAMES = (['port', 'redis.url', 'aws.secret_access_key_file'] as const)
  .map((path) => `\`${path}\` is \`${environmentName(path)}\``)
  .join(', ');

const INTRODUCTION = `# Configuration

<!-- Generated from libs/config by "npm run docs". Do not edit. -->

Every key has a default. Without any configuration, the sink runs a Redis of its own and stores objects as plain files in
\`./data/objects\`. If the configuration is invalid, the sink does not start: it exits with code 78 and lists all mistakes,
each with its key, the given value and the allowed values.

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

**Sources.** Later sources override earlier ones, key by key:

1. the defaults;
2. one file, YAML or JSON: that of \`--config\`, otherwise that of \`CONNECTOR_CONFIG\`, otherwise the first that exists of
${DEFAULT_PLACES.map((place) => `   \`${place}\``).join(',\n')};
3. the environment. The name of a variable is the key in upper case after \`SINK_\`: ${EXAMPLE_NAMES}.
   Lists are separated by commas, mappings are written as \`from=to,from=to\`, lists of mappings (\`producers\`) are JSON. An
   empty variable counts as not set;
4. the command line.

**Keys.** Case, \`_\` and \`-\` do not matter: \`flush_size\`, \`flushSize\` and \`FLUSH_SIZE\` are the same key. It is a mistake
to give a key twice. A nested key can be written flat (\`redis_url\`). The names of the older JSON configuration,
\`v_port\` and \`bucketName\`, mean \`port\` and \`bucket\`. The keys inside a list of mappings
(\`producers[].bearer.tokens_file\`) follow the same rules; names that you choose yourself, such as claims, keep their case and
\`_\`. An unknown key is a mistake, in the environment too; variables that Kubernetes
sets for a service named \`sink…\` are ignored. A key without a value counts as not given.

**Values.** Numbers may be written as text. A duration is a number of seconds, or text with a unit: \`500ms\`, \`4s\`, \`2m\`,
\`1h\`. A size is a number of bytes, or text with a unit: \`128MiB\` (1024²), \`128MB\` (1000²).

**Variables.** In the values of the file, \`\${NAME}\` is replaced by the variable of the environment; it is a mistake if the
variable is not set. \`$$\{\` is a literal \`\${\`, and every other \`$\` stays as it is.

**Secrets** can be read from files: the key with \`_file\` contains the path. Within one source, give either the secret or
its file; a later source overrides both. Line breaks at the end of the file are ignored. Secrets are never printed. The
files of \`aws\` are read again when the store refuses the credentials, and every three minutes.

**Change** says when a changed value takes effect. \`live\`: in the running sink, without a restart
([how](operations.md#changing-the-configuration)). \`restart\`: at the next start; until then the earlier value stays in
force.

**Editors** complete the keys with [config.schema.json](config.schema.json): put
\`# yaml-language-server: $schema=<path>/config.schema.json\` at the top of a YAML file, or \`"$schema"\` into a JSON file.
`;
