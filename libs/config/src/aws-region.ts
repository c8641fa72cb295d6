import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ReadText } from './config-file.ts';
import type { Environment } from './environment.ts';

/** What the AWS default chain knows about the region: a name, `profile` (the SDK reads it there itself), or nothing. */
export type AwsRegion = { readonly kind: 'named'; readonly region: string } | { readonly kind: 'profile' } | undefined;

/**
 * Looks where the AWS SDK looks: AWS_REGION, then the shared configuration files. AWS_DEFAULT_REGION, which only other
 * SDKs know, counts too.
 */
export function findAwsRegion(env: Environment, readText: ReadText): AwsRegion {
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'];
  if (region) return { kind: 'named', region };
  const profile = env['AWS_PROFILE'] || 'default';
  const files = [
    env['AWS_CONFIG_FILE'] || join(env['HOME'] || homedir(), '.aws', 'config'),
    env['AWS_SHARED_CREDENTIALS_FILE'] || join(env['HOME'] || homedir(), '.aws', 'credentials'),
  ];
  return files.some((file) => profileHasRegion(readText(file), profile)) ? { kind: 'profile' } : undefined;
}

function profileHasRegion(content: ReturnType<ReadText>, profile: string): boolean {
  if (content === 'missing' || 'failure' in content) return false;
  let inside = false;
  for (const line of content.text.split(/\r?\n/)) {
    const heading = /^\s*\[\s*(?:profile\s+)?([^\]]+?)\s*\]/.exec(line);
    if (heading) inside = heading[1] === profile;
    else if (inside && /^region\s*=\s*\S/.test(line)) return true;
  }
  return false;
}
