import type { CredentialSettings } from '@sink/config';
import { assertNever } from '@sink/domain';
import { basicCredential } from './basic.ts';
import { tokenCredential } from './bearer.ts';
import type { Credential } from './credential.ts';
import { HmacCredential, type HmacPorts } from './hmac.ts';
import type { JwtCredentials } from './jwt/jwt-credentials.ts';
import { ClientCertificate, type ClientOf } from './mtls.ts';
import type { Places } from './places.ts';

export interface CredentialPorts extends HmacPorts {
  readonly clientOf: ClientOf;
  readonly jwt: Pick<JwtCredentials, 'make'>;
}

/** The credential of a producer, as the configuration describes it. */
export function makeCredential(settings: CredentialSettings, places: Places, ports: CredentialPorts): Credential {
  switch (settings.kind) {
    case 'basic':
      return basicCredential(settings, places, ports);
    case 'bearer':
    case 'query':
      return tokenCredential(settings, places, ports);
    case 'mtls':
      return new ClientCertificate(settings, ports.clientOf);
    case 'jwt':
      return ports.jwt.make(settings);
    case 'hmac':
      return new HmacCredential(settings, ports);
    default:
      return assertNever(settings);
  }
}
