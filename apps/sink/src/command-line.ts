import { parseArgs } from 'node:util';
import { ConfigError, loadConfig, readEnvironment } from '@sink/config';
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK } from '@sink/runtime';
import { findServiceProgram, SERVICES, type ServiceName } from './program.ts';
import { becomeService } from './role.ts';
import { StartError } from './start-error.ts';
import { runSink } from './run-sink.ts';
import { VERSION } from './version.ts';

const HELP = `sink-aws-s3 ${VERSION}: CloudEvents in over HTTP, objects in S3, each event exactly once.

  npm start [-- COMMAND] [--config FILE]

Commands:
  (none)      everything: ingest, batcher and uploader, and a Redis of its own unless redis.url is given
  ingest      only the HTTP side (needs redis.url, as the next two)
  batcher     only what fills and seals segments
  uploader    only what sends objects
  check       says what the configuration means, tries Redis and the bucket, and ends

Options:
  --config FILE   the configuration; else CONNECTOR_CONFIG, else /vanus-connect/config/config.yml
  --help, --version

Every key can also come from the environment (port: SINK_PORT); see docs/configuration.md.
`;

const COMMANDS = ['check', ...SERVICES] as const;
type Command = (typeof COMMANDS)[number];

type Arguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly problem: string }
  | { readonly kind: 'run'; readonly command: Command | 'all'; readonly configFile: string | null };

/** What the command line asks for. Anything unknown is named, with what is known. */
export function parseCommandLine(argv: readonly string[]): Arguments {
  const known = `known are ${COMMANDS.join(', ')}, --config FILE, --help and --version`;
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } },
      allowPositionals: true,
    });
    if (values.help === true) return { kind: 'help' };
    if (values.version === true) return { kind: 'version' };
    const [given, second] = positionals;
    const command = given === undefined ? 'all' : COMMANDS.find((name) => name === given);
    if (command === undefined) return { kind: 'wrong', problem: `unknown command ${given}: ${known}` };
    if (second !== undefined) return { kind: 'wrong', problem: `one command at a time, not also ${second}: ${known}` };
    return { kind: 'run', command, configFile: values.config ?? null };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(/[.\n]/)[0] : String(error);
    return { kind: 'wrong', problem: `${reason}: ${known}` };
  }
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
  }
}

async function run(command: Command | 'all', configFile: string | null): Promise<number> {
  const env = readEnvironment();
  const configArguments = configFile === null ? [] : ['--config', configFile];
  if (isService(command)) return becomeService(command, configArguments, env);
  try {
    const config = loadConfig(configFile === null ? { env } : { file: configFile, env });
    if (command === 'check') {
      // Not at the top: its clients (AWS, Redis) are of no use to the supervisor and would cost it 60 MB.
      const { check } = await import('./check.ts');
      return await check({ config, env, write: (line) => process.stdout.write(`${line}\n`) });
    }
    return await runSink({ config, env, configArguments, programOf: findServiceProgram });
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof StartError)) throw error;
    process.stderr.write(`${error instanceof StartError ? 'sink: ' : ''}${error.message}\n`);
    return error instanceof ConfigError ? EXIT_CONFIG : EXIT_FAILED;
  }
}

function isService(command: Command | 'all'): command is ServiceName {
  return SERVICES.some((service) => service === command);
}
