import { defaultProvider } from '@aws-sdk/credential-provider-node';
import type { ReadCredentials } from './credentials-source.ts';
import type { S3RequestHandler } from './s3-request-handler.ts';

/** A key, given in the configuration. */
export interface KeyCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** A role that is assumed with other credentials. */
export interface RoleSettings {
  readonly arn: string;
  readonly sessionName: string;
  readonly externalId?: string | undefined;
}

/** Where the credentials for a bucket come from. */
export interface CredentialSettings {
  /** A key. Absent: `profile`, or the AWS default chain (environment, profile, web identity, container or instance role). */
  readonly credentials?: KeyCredentials | undefined;
  /** Reads `credentials` again, if files hold a part of them. */
  readonly readCredentials?: (() => KeyCredentials) | undefined;
  /** A profile of the shared files of AWS. Nothing else is tried then. */
  readonly profile?: string | undefined;
  /** Assumed with the credentials above. */
  readonly role?: RoleSettings | undefined;
  readonly useFips?: boolean | undefined;
  readonly useDualstack?: boolean | undefined;
}

/** What the SDK tells about the client that asks for credentials. */
export type ClientProperties = Parameters<ReturnType<typeof defaultProvider>>[0];

const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/**
 * How credentials are read. Each reading makes new providers, because a provider keeps what it found.
 * @param requestHandler the way to STS and SSO, which is that to S3
 * @returns null if they cannot change
 */
export function readerOf(
  settings: CredentialSettings,
  requestHandler: S3RequestHandler,
): ReadCredentials<ClientProperties> | null {
  const { credentials, readCredentials, profile, role, useFips, useDualstack } = settings;
  if (credentials !== undefined && readCredentials === undefined && role === undefined) return null;
  const clientConfig = {
    requestHandler,
    ...(profile === undefined ? {} : { profile }),
    ...(useFips === undefined ? {} : { useFipsEndpoint: useFips }),
    ...(useDualstack === undefined ? {} : { useDualstackEndpoint: useDualstack }),
  };
  const common = { ignoreCache: true, clientConfig, logger: silent };
  const source: ReadCredentials<ClientProperties> = async (properties) => {
    if (credentials !== undefined) return identityOf(readCredentials?.() ?? credentials);
    if (profile === undefined) return defaultProvider(common)(properties);
    const { fromIni } = await import('@aws-sdk/credential-providers');
    return fromIni({ ...common, profile })(properties);
  };
  if (role === undefined) return source;
  return async (properties) => {
    const masterCredentials = await source(properties);
    const { fromTemporaryCredentials } = await import('@aws-sdk/credential-providers');
    const { arn: RoleArn, sessionName: RoleSessionName, externalId: ExternalId } = role;
    const params = { RoleArn, RoleSessionName, ...(ExternalId === undefined ? {} : { ExternalId }) };
    return fromTemporaryCredentials({ params, masterCredentials, clientConfig, logger: silent })(properties);
  };
}

/** The key as the SDK takes it; without one, requests are signed with nothing. */
export function identityOf(credentials: KeyCredentials | undefined) {
  const { sessionToken, ...keys } = credentials ?? { accessKeyId: '', secretAccessKey: '' };
  return sessionToken === undefined ? keys : { ...keys, sessionToken };
}

function ignore(): void {
  // The errors contain what the SDK would log, and the sink logs JSON only.
}
