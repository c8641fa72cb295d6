import type { CredentialSettings } from '@sink/config';
import type { Credential } from './credential.ts';
import type { Place, Places } from './places.ts';
import type { SecretLinesPorts } from './secret-lines.ts';
import { SharedSecret } from './shared-secret.ts';

const BEARER = 'Bearer realm="sink-aws-s3"';
/** No registered scheme names a token elsewhere, and a 401 without any scheme is not allowed (RFC 9110, section 15.5.2). */
const ELSEWHERE = 'ApiKey realm="sink-aws-s3"';

/** A token in `Authorization: Bearer` (RFC 6750), in another header, or in a parameter of the query. */
export function tokenCredential(
  settings: Extract<CredentialSettings, { kind: 'bearer' | 'query' }>,
  places: Places,
  ports: SecretLinesPorts,
): Credential {
  const place = placeOf(settings, places);
  const challenge = settings.kind === 'bearer' && settings.header === null ? BEARER : ELSEWHERE;
  return new SharedSecret(challenge, place, settings.tokens, (token) => places.digest(token.trim()), ports);
}

function placeOf(settings: Extract<CredentialSettings, { kind: 'bearer' | 'query' }>, places: Places): Place {
  if (settings.kind === 'query') return places.query(settings.parameter);
  return settings.header === null ? places.bearer() : places.header(settings.header);
}
