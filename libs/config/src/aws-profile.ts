import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ReadText } from './config-file.ts';
import type { Environment } from './environment.ts';

type Section = Readonly<Record<string, string>>;

/** A profile of the shared configuration files of AWS, read as the AWS SDK reads it. */
export interface AwsProfile {
  readonly name: string;
  /** The paths of the two files. */
  readonly files: readonly [config: string, credentials: string];
  /** A value of the profile; the file of the configuration comes first. */
  readonly get: (key: string) => string | undefined;
  readonly region: string | undefined;
  /** The address of S3: that of its `services` section, otherwise that of all services. */
  readonly endpointUrl: string | undefined;
}

/** The profile of that name; without one, that of AWS_PROFILE or the default one. Has no values where its files cannot be read. */
export function readAwsProfile(env: Environment, readText: ReadText, given?: string): AwsProfile {
  const name = given ?? (env['AWS_PROFILE'] || 'default');
  const home = env['HOME'] || homedir();
  const files = [
    env['AWS_CONFIG_FILE'] || join(home, '.aws', 'config'),
    env['AWS_SHARED_CREDENTIALS_FILE'] || join(home, '.aws', 'credentials'),
  ] as const;
  const [configFile, credentialsFile] = files.map((file) => parseIni(readText(file)));
  const config = configFile?.get(`profile ${name}`) ?? (name === 'default' ? configFile?.get(name) : undefined) ?? {};
  const credentials = credentialsFile?.get(name) ?? {};
  const services = configFile?.get(`services ${config['services'] ?? credentials['services'] ?? ''}`);
  return {
    name,
    files,
    get: (key) => config[key] ?? credentials[key],
    // The SDK prefers the other file for this one key.
    region: credentials['region'] ?? config['region'],
    endpointUrl: services?.['s3.endpoint_url'] ?? config['endpoint_url'] ?? credentials['endpoint_url'],
  };
}

/** Sections by name, without quotes. A key in a nested section has both names: `s3.endpoint_url`. */
function parseIni(content: ReturnType<ReadText>): ReadonlyMap<string, Section> {
  const sections = new Map<string, Record<string, string>>();
  if (content === 'missing' || 'failure' in content) return sections;
  let section: Record<string, string> | undefined;
  let outer = '';
  for (const line of content.text.split(/\r?\n/)) {
    const given = (line.split(/(?:^|\s)[;#]/)[0] ?? '').trim();
    const heading = /^\[\s*(.+?)\s*\]$/.exec(given)?.[1]?.replace(/^(\S+)\s+["']?(.+?)["']?$/, '$1 $2');
    const [, key = '', value = ''] = /^([^=]+?)\s*=\s*(.*)$/.exec(given) ?? [];
    if (heading !== undefined) {
      section = sections.get(heading) ?? {};
      sections.set(heading, section);
      outer = '';
    } else if (key !== '' && section !== undefined) {
      if (value === '') {
        outer = key;
        continue;
      }
      const nested = outer !== '' && /^\s/.test(line);
      if (!nested) outer = '';
      section[nested ? `${outer}.${key}` : key] = value;
    }
  }
  return sections;
}
