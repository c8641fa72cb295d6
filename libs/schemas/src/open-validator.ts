import { openSchemas, type OpenedSchemas, type OpenPorts } from './open-schemas.ts';
import type { RegistrySettings } from './sources/registries.ts';
import { Validator, type ValidatorPorts } from './validator.ts';

/** The keys of the configuration that say how events are validated. */
export interface ValidationConfig {
  readonly validate: 'off' | 'known' | 'strict';
  readonly onRegistryAway: 'accept' | 'refuse' | null;
  readonly schemasDirectories: readonly { readonly path: string; readonly uri?: string | undefined }[] | null;
  readonly schemasRegistries:
    readonly (Pick<RegistrySettings, 'kind' | 'url'> & { readonly bearer_file?: string | undefined })[] | null;
  readonly schemasAllowHosts: readonly string[] | null;
}

export interface OpenedValidator {
  readonly validator: Validator;
  readonly schemas: OpenedSchemas;
}

/** Opens the sources of schemas, and what judges events by them. */
export async function openValidator(
  config: ValidationConfig & { readonly validate: 'known' | 'strict' },
  ports: OpenPorts & Pick<ValidatorPorts, 'count'>,
): Promise<OpenedValidator> {
  const settings = {
    directories: (config.schemasDirectories ?? []).map(({ path, uri }) => ({
      path,
      ...(uri !== undefined && { uri: withSlash(uri) }),
    })),
    registries: (config.schemasRegistries ?? []).map(({ kind, url, bearer_file: bearerFile }) => ({
      kind,
      url,
      ...(bearerFile !== undefined && { bearerFile }),
    })),
    allowHosts: config.schemasAllowHosts ?? [],
  };
  const schemas = await openSchemas(settings, ports);
  const onAway = config.onRegistryAway ?? (config.validate === 'known' ? 'accept' : 'refuse');
  const validator = new Validator({ mode: config.validate, onAway }, { schemas: schemas.schemas, count: ports.count });
  return { validator, schemas };
}

/** A path is below it by whole segments. */
function withSlash(uri: string): string {
  return uri.endsWith('/') || uri.startsWith('urn:') ? uri : `${uri}/`;
}
