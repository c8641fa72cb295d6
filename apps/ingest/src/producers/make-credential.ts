import type { CredentialSettings } from '@sink/config';
import { assertNever } from '@sink/domain';
import { basicCredential } from './basic.ts';
import { tokenCredential } from './bearer.ts';
import { type Credential, NONE } from './credential.ts';
import { ClientCertificate, type ClientOf } from './mtls.ts';
import type { Places } from './places.ts';
import type { SecretLinesPorts } from './secret-lines.ts';

export interface CredentialPorts extends SecretLinesPorts {
  readonly clientOf: ClientOf;
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
    case 'hmac':
      return {
        challenge: 'Bearer',
        check: () => NONE,
        trouble: `${settings.kind} is not known yet; it lets nobody in`,
      };
    default:
      return assertNever(settings);
  }
}
