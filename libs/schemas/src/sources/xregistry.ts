import type { RegistryAnswer, RegistryProtocol } from './registries.ts';

/**
 * A schema registry of CNCF xRegistry (1.0):
 *
 * - `schemagroups/GROUP/schemas/SCHEMA`, its default version
 * - `schemagroups/GROUP/schemas/SCHEMA/versions/VERSION`
 *
 * Without `$details` the answer is the document itself, and its metadata are headers. The specification lets a version be
 * changed, so none is taken to last.
 */
export const xregistry: RegistryProtocol = {
  request(segments) {
    const [first, , third, , fifth] = segments;
    if (first !== 'schemagroups' || third !== 'schemas' || segments.at(-1)?.endsWith('$details') === true) return null;
    const isVersion = fifth === 'versions' && segments.length === 6;
    return isVersion || segments.length === 4 ? { path: segments.join('/'), keeps: 'unknown', read } : null;
  },
};

function read({
  text,
  headers,
}: {
  readonly text: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}): RegistryAnswer {
  const format = headers['xregistry-format'];
  if (typeof format === 'string' && !/^jsonschema\b/i.test(format)) {
    return { kind: 'unusable', why: `its format is ${format.slice(0, 20)}, not JSON Schema` };
  }
  return { kind: 'schema', text };
}
