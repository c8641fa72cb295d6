import { parseArgs } from 'node:util';
import { rangeOf } from '@sink/audit/time-range';
import { ConfigError, ConfigInForce, loadConfig, readEnvironment } from '@sink/config';
import type { FlushCall } from '@sink/lane';
import type { IamUse } from '@sink/objects';
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from '@sink/runtime';
import { StartError } from '../start-error.ts';
import { execService } from '../supervisor/exec-service.ts';
import { runSink } from '../supervisor/run-sink.ts';
import { findServiceProgram, SERVICES, type ServiceName } from '../supervisor/service-command.ts';
import type { IamCommand } from './iam.ts';
import type { QuarantineCommand } from './quarantine/quarantine.ts';
import type { TryCommand } from './try.ts';
import type { UploadsCommand } from './uploads.ts';
import type { VerifyCommand } from './verify.ts';

/** The version of the product. A test compares it with package.json, which a bundle does not have beside it. */
export const VERSION = '0.1.0';

const HELP = `sink-aws-s3 ${VERSION}: stores CloudEvents from HTTP in objects in S3, each event exactly once.

  npm start [-- COMMAND] [--config FILE]

Commands:
  (none)      runs everything: ingest, batcher and uploader, and a Redis of its own unless redis.url is set
  ingest      runs the HTTP side only (needs redis.url, as do the next two)
  batcher     runs only the service that fills and seals segments
  uploader    runs only the service that uploads objects
  check       explains the configuration, tries Redis and the bucket, and exits
  reload      has the sink on this data_dir read its configuration again. Exit code 0: all of it is in force; 2: some
              keys wait for a restart; 78: the file has mistakes and is refused; 1: no sink answers
  verify      compares the receipts with the bucket. Exit code 0: no finding; 1: an object is missing, changed or
              there twice; 2: Redis or the bucket cannot be read. [--from TIME] [--to TIME] limit it to hours or days
              of events, [--read] reads the objects too, [--json]
  try         posts one event to a sink that runs, waits until its object is stored, and reads it where it may.
              [--post URL] [--uploader URL] its ports, if not on this machine, [--timeout SECONDS] (120),
              [--header 'NAME: VALUE']... credentials; without it, those of a producer of the configuration
  uploads list [--json]     lists the segments whose upload failed and will be retried, with the reason
  uploads retry [ID...]     retries these uploads now; without an ID, all of them
  uploads redirect OLD NEW  stores segments of routes that were sealed for the bucket OLD in the bucket NEW
  flush       has all batchers close what is open, so that what was accepted before is stored soon. [--partition PATH]
              only this path, [--wait] waits until it is in the bucket, [--timeout SECONDS] (120) at most
  quarantine list           lists refused events that were kept (on_invalid: quarantine). [--from TIME] [--to TIME]
              [--producer NAME] [--reason CODE] limit it, [--json]
  quarantine show ID        prints one with all that is known of it; [--body] only its bytes
  quarantine retry ID       stores its event once, as it was sent, or as corrected in [--file FILE]. [--again] also if
              an earlier retry has stored it, or may have
  iam         prints the least IAM policy for the uploader with this configuration, or for each given
              [--for put|compare|manifests|verify|read|quarantine]. [--earlier-prefix TEXT] is for verify: what prefix was before

Options:
  --config FILE   the configuration; else CONNECTOR_CONFIG, else /vanus-connect/config/config.yml
  --help, --version

The environment can set every key too (port: SINK_PORT); see docs/configuration.md.
`;

const COMMANDS = ['check', 'reload', 'verify', 'try', 'uploads', 'flush', 'quarantine', 'iam', ...SERVICES] as const;
type Command = (typeof COMMANDS)[number];
type Tool = 'verify' | 'try' | 'uploads' | 'flush' | 'quarantine' | 'iam';

/** Those of libs/objects. A test compares them: its clients would cost the supervisor 60 MB. */
const IAM_USES = ['put', 'compare', 'manifests', 'verify', 'read', 'quarantine'] as const satisfies readonly IamUse[];

type Arguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly problem: string }
  | { readonly kind: 'run'; readonly command: Exclude<Command, Tool> | 'all'; readonly configFile: string | null }
  | { readonly kind: 'verify'; readonly asked: VerifyCommand; readonly configFile: string | null }
  | { readonly kind: 'try'; readonly asked: TryCommand; readonly configFile: string | null }
  | { readonly kind: 'uploads'; readonly asked: UploadsCommand; readonly configFile: string | null }
  | { readonly kind: 'flush'; readonly asked: FlushCall; readonly configFile: string | null }
  | { readonly kind: 'quarantine'; readonly asked: QuarantineCommand; readonly configFile: string | null }
  | { readonly kind: 'iam'; readonly asked: IamCommand; readonly configFile: string | null };

/** What the command line asks for. The problem with an unknown word names the word and everything that is known. */
export function parseCommandLine(argv: readonly string[]): Arguments {
  const known = `known are ${COMMANDS.join(', ')}, --config FILE, --help and --version`;
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
        from: { type: 'string' },
        to: { type: 'string' },
        read: { type: 'boolean' },
        json: { type: 'boolean' },
        for: { type: 'string', multiple: true },
        'earlier-prefix': { type: 'string', multiple: true },
        post: { type: 'string' },
        uploader: { type: 'string' },
        timeout: { type: 'string' },
        header: { type: 'string', multiple: true },
        producer: { type: 'string' },
        reason: { type: 'string' },
        body: { type: 'boolean' },
        file: { type: 'string' },
        again: { type: 'boolean' },
        partition: { type: 'string' },
        wait: { type: 'boolean' },
      },
      allowPositionals: true,
    });
    if (values.help === true) return { kind: 'help' };
    if (values.version === true) return { kind: 'version' };
    const [given, second, ...more] = positionals;
    const command = given === undefined ? 'all' : COMMANDS.find((name) => name === given);
    if (command === undefined) return { kind: 'wrong', problem: `unknown command ${given}: ${known}` };
    const configFile = values.config ?? null;
    const json = values.json === true;
    const misplaced = optionNotOf(command, values);
    if (misplaced !== undefined)
      return { kind: 'wrong', problem: `--${misplaced} is not an option of this command: ${known}` };
    if (command === 'uploads') {
      if (second === 'redirect') {
        const [from, to, ...others] = more;
        if (from === undefined || to === undefined || others.length > 0)
          return { kind: 'wrong', problem: 'uploads redirect needs two buckets: OLD NEW' };
        return { kind: 'uploads', asked: { action: second, from, to }, configFile };
      }
      if (second !== 'list' && second !== 'retry')
        return { kind: 'wrong', problem: 'uploads needs an action: list, or retry [ID...], or redirect OLD NEW' };
      return { kind: 'uploads', asked: { action: second, segmentIds: more, json }, configFile };
    }
    if (command === 'quarantine') {
      const asked = quarantineAsked(second, more, values);
      return typeof asked === 'string' ? { kind: 'wrong', problem: asked } : { kind: 'quarantine', asked, configFile };
    }
    if (second !== undefined)
      return { kind: 'wrong', problem: `one command at a time, ${second} is one too many: ${known}` };
    if (command === 'try') {
      const { post = null, uploader = null, timeout = '120', header: headers = [] } = values;
      const asked = { post, uploader, timeoutMs: Number(timeout) * 1_000, headers };
      if (!headers.every((header) => /^[!#$%&'*+.^_`|~\w-]+:/.test(header)))
        return { kind: 'wrong', problem: '--header is not a header such as "Authorization: Bearer TOKEN"' };
      const wrong = [post, uploader].find((url) => url !== null && !URL.canParse(url));
      if (wrong !== undefined) return { kind: 'wrong', problem: `${wrong} is not an address such as http://host:8080` };
      return asked.timeoutMs > 0
        ? { kind: 'try', asked, configFile }
        : { kind: 'wrong', problem: `--timeout ${timeout} is not a number of seconds` };
    }
    if (command === 'flush') {
      const { partition: path = null, wait: waits = false, timeout = '120' } = values;
      const timeoutMs = Number(timeout) * 1_000;
      return timeoutMs > 0
        ? { kind: 'flush', asked: { path, waits, timeoutMs }, configFile }
        : { kind: 'wrong', problem: `--timeout ${timeout} is not a number of seconds` };
    }
    if (command === 'iam') {
      const given = (values.for ?? []).flatMap((uses) => uses.split(','));
      const uses = given.flatMap((use) => IAM_USES.filter((known) => known === use));
      const unknown = given.find((use) => !IAM_USES.some((known) => known === use));
      if (unknown !== undefined)
        return { kind: 'wrong', problem: `--for ${unknown} is unknown: known are ${IAM_USES.join(', ')}` };
      return { kind: 'iam', asked: { uses, earlierPrefixes: values['earlier-prefix'] ?? [] }, configFile };
    }
    if (command !== 'verify') return { kind: 'run', command, configFile };
    const range = rangeOf(values.from, values.to);
    if (typeof range === 'string') return { kind: 'wrong', problem: range };
    return { kind: 'verify', asked: { range, read: values.read === true, json }, configFile };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(/[.\n]/)[0] : String(error);
    return { kind: 'wrong', problem: `${reason}: ${known}` };
  }
}

const OPTIONS_OF: Readonly<Record<Tool, readonly string[]>> = {
  verify: ['from', 'to', 'read', 'json'],
  try: ['post', 'uploader', 'timeout', 'header'],
  uploads: ['json'],
  flush: ['partition', 'wait', 'timeout'],
  quarantine: ['from', 'to', 'producer', 'reason', 'json', 'body', 'file', 'again'],
  iam: ['for', 'earlier-prefix'],
};

const QUARANTINE_OPTIONS = {
  list: ['from', 'to', 'producer', 'reason', 'json'],
  show: ['body'],
  retry: ['file', 'again'],
} as const;

interface QuarantineValues {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly producer?: string | undefined;
  readonly reason?: string | undefined;
  readonly json?: boolean | undefined;
  readonly body?: boolean | undefined;
  readonly file?: string | undefined;
  readonly again?: boolean | undefined;
}

/** A sentence for a mistake. */
function quarantineAsked(
  action: string | undefined,
  ids: readonly string[],
  values: QuarantineValues,
): QuarantineCommand | string {
  if (action !== 'list' && action !== 'show' && action !== 'retry')
    return 'quarantine needs an action: list, show ID, or retry ID';
  const allowed: readonly string[] = ['config', ...QUARANTINE_OPTIONS[action]];
  const misplaced = Object.keys(values).find((option) => !allowed.includes(option));
  if (misplaced !== undefined) return `--${misplaced} is not an option of quarantine ${action}`;
  if (action === 'list') {
    const { from, to, producer = null, reason = null, json = false } = values;
    const range = rangeOf(from, to);
    if (typeof range === 'string') return range;
    return ids.length > 0 ? 'quarantine list takes no id: show does' : { action, range, producer, reason, json };
  }
  const [id, ...more] = ids;
  if (id === undefined || more.length > 0) return `quarantine ${action} needs one id, as list prints it`;
  const { body = false, file = null, again = false } = values;
  return action === 'show' ? { action, id, body } : { action, id, file, again };
}

/** The first option that was given and belongs to another command. */
function optionNotOf(command: Command | 'all', values: object): string | undefined {
  const allowed = ['config', ...(isTool(command) ? OPTIONS_OF[command] : [])];
  return Object.keys(values).find((option) => !allowed.includes(option));
}

function isTool(command: Command | 'all'): command is Tool {
  return command in OPTIONS_OF;
}

/** Does what the command line asks for. Resolves to the exit code; a single service replaces this process instead. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const parsed = parseCommandLine(argv);
  switch (parsed.kind) {
    case 'help':
      process.stdout.write(HELP);
      return EXIT_OK;
    case 'version':
      process.stdout.write(`${VERSION}\n`);
      return EXIT_OK;
    case 'wrong':
      process.stderr.write(`sink: ${parsed.problem}\n`);
      return EXIT_CONFIG;
    case 'run':
      return run(parsed.command, parsed.configFile);
    case 'try':
      return withErrorsPrinted(async () => {
        const { runTry } = await import('./try.ts');
        const env = readEnvironment();
        const config = loadConfig(parsed.configFile === null ? { env } : { file: parsed.configFile, env });
        return runTry(config, parsed.asked, (text) => process.stdout.write(text));
      });
    case 'verify':
    case 'uploads':
    case 'flush':
    case 'quarantine':
      return withErrorsPrinted(async () => {
        const { runTool } = await import('./run-tool.ts');
        return runTool(parsed, readEnvironment());
      });
    case 'iam':
      return withErrorsPrinted(async () => {
        const { iamText } = await import('./iam.ts');
        const { configFile, asked } = parsed;
        const env = readEnvironment();
        process.stdout.write(iamText(loadConfig(configFile === null ? { env } : { file: configFile, env }), asked));
        return EXIT_OK;
      });
  }
}

async function run(command: Exclude<Command, Tool> | 'all', configFile: string | null): Promise<number> {
  const env = readEnvironment();
  const configArguments = configFile === null ? [] : ['--config', configFile];
  if (isService(command)) return execService(command, configArguments, env);
  if (command === 'reload') {
    const { reload } = await import('./reload.ts');
    const write = (text: string): void => void process.stdout.write(text);
    const writeError = (text: string): void => void process.stderr.write(text);
    return reload({ configFile, env, write, writeError });
  }
  return withErrorsPrinted(async () => {
    const inForce = new ConfigInForce(configFile === null ? { env } : { file: configFile, env });
    const { config } = inForce;
    if (command === 'check') {
      // Not imported at the top: its clients (AWS, Redis) would cost the supervisor 60 MB.
      const { check } = await import('./check.ts');
      return check({ config, env, write: (line) => process.stdout.write(`${line}\n`) });
    }
    return runSink({ config, inForce, env, configArguments, programOf: findServiceProgram });
  });
}

/** Prints the message of an error that an operator can fix, without its stack. */
async function withErrorsPrinted(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof StartError)) throw error;
    process.stderr.write(`${error instanceof StartError ? 'sink: ' : ''}${error.message}\n`);
    return error instanceof ConfigError ? EXIT_CONFIG : EXIT_FAILED;
  }
}

function isService(command: Command | 'all'): command is ServiceName {
  return SERVICES.some((service) => service === command);
}
