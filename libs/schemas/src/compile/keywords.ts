/**
 * The keywords that are evaluated, by what their values are. All others are left out of what the compiler gets: annotations,
 * and whatever it might understand beyond the standard.
 */
export type Draft = 'draft-07' | '2020-12';

export interface Keywords {
  /** Their value is a schema. */
  readonly schema: ReadonlySet<string>;
  /** Their value is a list of schemas. */
  readonly schemas: ReadonlySet<string>;
  /** Their value is a mapping of names to schemas. */
  readonly named: ReadonlySet<string>;
  /** Their value is a mapping of names to schemas that are only used by reference. */
  readonly definitions: ReadonlySet<string>;
  /** Their value is taken as it is. */
  readonly plain: ReadonlySet<string>;
}

const SCHEMA = ['additionalProperties', 'contains', 'propertyNames', 'not', 'if', 'then', 'else', 'items'];
const SCHEMAS = ['allOf', 'anyOf', 'oneOf'];
const NAMED = ['properties', 'patternProperties'];
const DEFINITIONS = new Set(['definitions', '$defs']);
const PLAIN = [
  'type',
  'enum',
  'const',
  'multipleOf',
  'maximum',
  'exclusiveMaximum',
  'minimum',
  'exclusiveMinimum',
  'maxLength',
  'minLength',
  'pattern',
  'maxItems',
  'minItems',
  'uniqueItems',
  'maxProperties',
  'minProperties',
  'required',
];

export const KEYWORDS: Readonly<Record<Draft, Keywords>> = {
  'draft-07': {
    schema: new Set([...SCHEMA, 'additionalItems']),
    // `items` may be a list; `dependencies` may have lists of names.
    schemas: new Set([...SCHEMAS, 'items']),
    named: new Set([...NAMED, 'dependencies']),
    definitions: DEFINITIONS,
    plain: new Set(PLAIN),
  },
  '2020-12': {
    schema: new Set([...SCHEMA, 'unevaluatedItems', 'unevaluatedProperties']),
    schemas: new Set([...SCHEMAS, 'prefixItems']),
    named: new Set([...NAMED, 'dependentSchemas']),
    definitions: DEFINITIONS,
    plain: new Set([...PLAIN, 'minContains', 'maxContains', 'dependentRequired']),
  },
};

/** Formats of the standard. Each is checked in linear time; of what ajv-formats has beside them, `url` is not. */
export const FORMATS = [
  'date',
  'time',
  'date-time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uri-reference',
  'uri-template',
  'uuid',
  'json-pointer',
  'relative-json-pointer',
  'regex',
] as const;

/** Of a schema without `$schema`, as ajv and the registries have it. */
export const IMPLIED_DRAFT: Draft = 'draft-07';

/** The draft that `$schema` names. Null: one that is not known. */
export function draftOf(schema: unknown, implied: Draft): Draft | null {
  if (schema === undefined) return implied;
  if (typeof schema !== 'string') return null;
  if (/^https?:\/\/json-schema\.org\/draft-07\/schema#?$/.test(schema)) return 'draft-07';
  return /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/.test(schema) ? '2020-12' : null;
}
