import { parseArgs } from 'node:util';
import { rangeOf } from '@sink/audit';
import { ConfigError, loadConfig, readEnvironment } from '@sink/config';
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from '@sink/runtime';
import { findServiceProgram, SERVICES, type ServiceName } from '../supervisor/service-command.ts';
import { becomeService } from '../supervisor/exec-service.ts';
import { StartError } from '../start-error.ts';
import { runSink } from '../supervisor/run-sink.ts';
import type { UploadsCommand } from './uploads.ts';
import type { VerifyCommand } from './verify.ts';
import { VERSION } from './version.ts';

const HELP = `sink-aws-s3 ${VERSION}: CloudEvents in over HTTP, objects in S3, each event exactly once.

  npm start [-- COMMAND] [--config FILE]

Commands:
  (none)      everything: ingest, batcher and uploader, and a Redis of its own unless redis.url is given
  ingest      only the HTTP side (needs redis.url, as the next two)
  batcher     only what fills and seals segments
  uploader    only what sends objects
  check       says what the configuration means, tries Redis and the bucket, and ends
  verify      compares the receipts with the bucket; exit code 0: nothing missing, changed or twice, 1: something,
              2: could not be looked at; [--from TIME] [--to TIME] by hours or days of events, [--read] reads the
              objects too, [--json]
  uploads list [--json]     segments whose upload failed and is tried again, with the reason
  uploads retry [ID...]     tries them now, or all of them

Options:
  --config FILE   the configuration; else CONNECTOR_CONFIG, else /vanus-connect/config/config.yml
  --help, --version

Every key can also come from the environment (port: SINK_PORT); see docs/configuration.md.
`;

const COMMANDS = ['check', 'verify', 'uploads', ...SERVICES] as const;
type Command = (typeof COMMANDS)[number];
type Tool = 'verify' | 'uploads';

type Arguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly problem: string }
  | { readonly kind: 'run'; readonly command: Exclude<Command, Tool> | 'all'; readonly configFile: string | null }
  | { readonly kind: 'verify'; readonly asked: VerifyCommand; readonly configFile: string | null }
  | { readonly kind: 'uploads'; readonly asked: UploadsCommand; readonly configFile: string | null };

/** What the command line asks for. Anything unknown is named, with what is known. */
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
    if (misplaced !== undefined) return { kind: 'wrong', problem: `--${misplaced} is not of this command: ${known}` };
    if (command === 'uploads') {
      if (second !== 'list' && second !== 'retry')
        return { kind: 'wrong', problem: 'uploads what? list, or retry [ID...]' };
      return { kind: 'uploads', asked: { action: second, segmentIds: more, json }, configFile };
    }
    if (second !== undefined) return { kind: 'wrong', problem: `one command at a time, not also ${second}: ${known}` };
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
  uploads: ['json'],
};

/** An option that was given and belongs to another command. */
function optionNotOf(command: Command | 'all', values: object): string | undefined {
  const allowed = ['config', ...(command === 'verify' || command === 'uploads' ? OPTIONS_OF[command] : [])];
  return Object.keys(values).find((option) => !allowed.includes(option));
}

/** Does what the command line asks for. Resolves to the exit code; never returns for the single services. */
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
    case 'verify':
    case 'uploads':
      return withErrorsTold(async () => {
        const { runTool } = await import('./run-tool.ts');
        return runTool(parsed, readEnvironment());
      });
  }
}

async function run(command: Exclude<Command, Tool> | 'all', configFile: string | null): Promise<number> {
  const env = readEnvironment();
  const configArguments = configFile === null ? [] : ['--config', configFile];
  if (isService(command)) return becomeService(command, configArguments, env);
  return withErrorsTold(async () => {
    const config = loadConfig(configFile === null ? { env } : { file: configFile, env });
    if (command === 'check') {
      // Not at the top: its clients (AWS, Redis) are of no use to the supervisor and would cost it 60 MB.
      const { check } = await import('./check.ts');
      return check({ config, env, write: (line) => process.stdout.write(`${line}\n`) });
    }
    return runSink({ config, env, configArguments, programOf: findServiceProgram });
  });
}

/** What a person can put right is told in their words, without a stack. */
async function withErrorsTold(work: () => Promise<number>): Promise<number> {
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
