import type { RegistryAnswer, RegistryProtocol } from './registries.ts';

/**
 * The registry of Confluent (API of 7 and 8), which Karapace, Redpanda and Apicurio (`/apis/ccompat/v7`) speak too:
 *
 * - `subjects/SUBJECT/versions/VERSION` and `…/schema`; a version is a number, or `latest`
 * - `schemas/ids/ID` and `…/schema`
 *
 * It is always asked without `/schema`, because only that answer has the type of the schema and its references. A number
 * always means the same schema.
 */
export const confluent: RegistryProtocol = {
  request(given) {
    const segments = given.at(-1) === 'schema' && given.length > 3 ? given.slice(0, -1) : given;
    const [first, second = '', third, version = ''] = segments;
    const path = segments.join('/');
    const isNumber = /^\d+$/;
    if (first === 'subjects' && third === 'versions' && segments.length === 4) {
      if (isNumber.test(version)) return { path, keeps: 'forever', read };
      return version === 'latest' ? { path, keeps: 'unknown', read } : null;
    }
    if (
      first === 'schemas' &&
      second === 'ids' &&
      third !== undefined &&
      isNumber.test(third) &&
      segments.length === 3
    ) {
      return { path, keeps: 'forever', read };
    }
    return null;
  },
};

interface Answer {
  readonly schema?: unknown;
  readonly schemaType?: unknown;
  readonly references?: unknown;
}

function read({ text }: { readonly text: string }, base: string): RegistryAnswer {
  const answer = parsed(text);
  if (typeof answer?.schema !== 'string')
    return { kind: 'unusable', why: 'its registry does not answer as one of Confluent does' };
  // Left out, it is Avro.
  const type = typeof answer.schemaType === 'string' ? answer.schemaType : 'AVRO';
  if (type !== 'JSON') return { kind: 'unusable', why: `it is of the type ${type.slice(0, 20)}, not JSON Schema` };
  return { kind: 'schema', text: answer.schema, references: referencesOf(answer.references, base) };
}

function parsed(text: string): Answer | null {
  try {
    return JSON.parse(text) as Answer | null;
  } catch {
    return null;
  }
}

/** A reference's name is what a `$ref` says; its subject and version are where that is. */
function referencesOf(given: unknown, base: string): Record<string, string> {
  const references: unknown[] = Array.isArray(given) ? given : [];
  const entries = references.flatMap((reference) => {
    const { name, subject, version } = Object(reference) as Record<string, unknown>;
    if (typeof name !== 'string' || typeof subject !== 'string' || typeof version !== 'number') return [];
    // A half of a surrogate pair is nothing that a URI could have.
    if (!subject.isWellFormed()) return [];
    return [[name, `${base}subjects/${encodeURIComponent(subject)}/versions/${version}`] as const];
  });
  return Object.fromEntries(entries);
}
