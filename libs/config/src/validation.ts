import { z } from 'zod';
import { choice, field, filePath, optionalChoice, optionalText } from './field.ts';
import { commaTexts, mappings, requiredText } from './nested.ts';

const SOURCES_MAX = 100;
const REGISTRY_KINDS = ['xregistry', 'confluent', 'apicurio'] as const;

const directory = {
  path: requiredText(/^[^\0]+$/, 'the path of a directory', 'The path of the directory.'),
  uri: optionalText(
    /^[A-Za-z][A-Za-z0-9+.-]*:[^\s?#]+$/,
    'an absolute URI without query and fragment',
    'The URI that stands for the directory: a file is known by its path below it, too.',
  ),
};

const registry = {
  kind: field(z.enum(REGISTRY_KINDS), REGISTRY_KINDS.join(', '), 'What the registry speaks.'),
  url: requiredText(
    /^https?:\/\/[^\s/@?#]+(\/[^\s?#]*)?$/,
    'an http:// or https:// address without credentials, query and fragment',
    'The address of the registry. It answers for each `dataschema` below it.',
  ),
  bearer_file: filePath('The path of a file with the bearer token for it, which is read again when it changes.'),
};

/** The keys of validation (docs/validation.md). */
export const validation = {
  validate: choice(
    ['off', 'known', 'strict'],
    'off',
    'Whether the data of an event has to conform to its `dataschema` ([Validation](validation.md)). `known`: if the schema can be found. `strict`: an event without `dataschema`, with one that cannot be found, or whose data is absent or not JSON, is refused too.',
  ),
  on_registry_away: optionalChoice(
    ['accept', 'refuse'],
    'What happens to an event while nobody can say whether its schema exists, or what it is: it is accepted, or refused with 503. Default: `accept` with `validate: known`, `refuse` with `validate: strict`.',
  ),
  'schemas.directories': mappings(
    directory,
    'Directories with schemas in files that end with `.json`. A file answers for its `$id`. Changes take effect within 5 s.',
    { itemsMax: SOURCES_MAX, textIs: 'path' },
  ),
  'schemas.registries': mappings(registry, 'Registries of schemas.', { itemsMax: SOURCES_MAX }),
  'schemas.allow_hosts': commaTexts(
    /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$/,
    SOURCES_MAX,
    'a host name, with a port if it is not 443',
    'Hosts of the Internet that schemas are fetched from, by https. Everything else that a `dataschema` or a `$ref` names is not fetched.',
  ),
};
