import type { CredentialSettings } from '@sink/config';
import type { Credential } from './credential.ts';
import { credentialsOf, type Places } from './places.ts';
import type { SecretLinesPorts } from './secret-lines.ts';
import { SharedSecret } from './shared-secret.ts';

/** User and password in `Authorization: Basic` (RFC 7617), as a client takes them from `user:password@` in a URL. */
export function basicCredential(
  { user, passwords }: Extract<CredentialSettings, { kind: 'basic' }>,
  places: Places,
  ports: SecretLinesPorts,
): Credential {
  const digestOf = (password: string): string => places.digest(credentialsOf(user, password));
  return new SharedSecret('Basic realm="sink-aws-s3", charset="UTF-8"', places.basic(), passwords, digestOf, ports);
}
