/** Only the thread that compiles imports this: it is the only module that needs ajv's compiler. */
import { _, Ajv, type AnySchemaObject, type Options } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import standaloneModule from 'ajv/dist/standalone/index.js';
import { RE2JS } from 're2js';
import type { SchemaDocument } from '../sources/source.ts';
import { type Bundle, bundle } from './bundle.ts';
import { formats } from './formats.ts';
import type { Draft } from './keywords.ts';
import { linearPattern } from './linear-pattern.ts';
import { nativeRegExp } from './native-reg-exp.ts';
import type { Program } from './program.ts';
import { type JsonObject, shown, Unusable } from './unusable.ts';
import { weigh } from './weigh.ts';

export interface CompileRequest {
  readonly uri: string;
  /** The schema's own comes first. */
  readonly documents: readonly Pick<SchemaDocument, 'uri' | 'text' | 'references'>[];
}

export type Compiled =
  | { readonly kind: 'program'; readonly program: Program }
  | { readonly kind: 'needs'; readonly uris: readonly string[] }
  | { readonly kind: 'unusable'; readonly why: string };

/** A larger program is evaluated in a thread of its own. */
const INLINE_CODE_CHARACTERS_MAX = 512 * 1024;
const CODE_CHARACTERS_MAX = 8 * 1024 * 1024;
/** Instructions of RE2 in one regular expression, and in all of a schema together. */
const INSTRUCTIONS_MAX = 1_000;
const INSTRUCTIONS_SUM_MAX = 10_000;
/** RE2's slowest way takes 42 ns for each instruction and character; a step of ajv's code takes one or less. */
const STEPS_OF_INSTRUCTION = 48;

const OPTIONS: Options = {
  strict: false,
  logger: false,
  // What a schema may contain has been checked, and what it contains has been reduced to what is known.
  validateSchema: false,
  addUsedSchema: false,
  meta: false,
  // Otherwise a definition is copied to each place that refers to it.
  inlineRefs: false,
  // A member that JavaScript's prototypes have, such as "constructor", is no member of the data.
  ownProperties: true,
};

/** Check schemas against those of the drafts. */
const checkers: Readonly<Record<Draft, Pick<Ajv, 'validateSchema' | 'errors'>>> = {
  'draft-07': new Ajv({ strict: false, logger: false }),
  '2020-12': new Ajv2020({ strict: false, logger: false }),
};

/** Compiles a schema as far as its documents are there. Never throws. */
export function compile({ uri, documents }: CompileRequest): Compiled {
  try {
    const bundled = bundle(uri, documents, checkSchema);
    if (bundled.kind === 'needs') return bundled;
    return { kind: 'program', program: programOf(bundled.bundle) };
  } catch (error) {
    if (error instanceof Unusable) return { kind: 'unusable', why: error.message };
    return {
      kind: 'unusable',
      why: `it cannot be compiled: ${shown(error instanceof Error ? error.message : String(error))}`,
    };
  }
}

function checkSchema(schema: JsonObject, draft: Draft): void {
  const checker = checkers[draft];
  // Its own `$schema` was looked at before; inside, there may be others.
  const checked: AnySchemaObject = Object.fromEntries(Object.entries(schema).filter(([name]) => name !== '$schema'));
  if (checker.validateSchema(checked) === true) return;
  const [error] = checker.errors ?? [];
  throw new Unusable(
    `it is no JSON Schema of ${draft}: at ${shown(error?.instancePath ?? '')} it ${error?.message ?? 'is wrong'}`,
  );
}

function programOf(bundled: Bundle): Program {
  const patterns = new Map<string, string | null>();
  const regExp = Object.assign(
    (source: string) => {
      nativeRegExp(source);
      if (!patterns.has(source)) patterns.set(source, linearPattern(source));
      return { test: () => true, toString: () => source };
    },
    // How the generated code calls it: see instantiate.ts.
    { code: 'regExp' },
  );
  const options: Options = { ...OPTIONS, formats: { ...formats }, code: { source: true, regExp, formats: _`formats` } };
  const ajv =
    bundled.draft === 'draft-07' ? new Ajv({ ...options, ignoreKeywordsWithRef: true }) : new Ajv2020(options);
  const $defs = Object.fromEntries(bundled.definitions.map((definition, index) => [String(index), definition]));
  const code = standaloneModule.default(ajv, ajv.compile({ $defs, $ref: '#/$defs/0' }));
  if (code.length > CODE_CHARACTERS_MAX) throw new Unusable('it is too large when it is compiled');
  const { recursive, ...cost } = weigh(bundled, (source) => stepsOf(patterns.get(source) ?? null));
  const isBounded = !recursive && code.length <= INLINE_CODE_CHARACTERS_MAX && hasShortPatterns([...patterns.values()]);
  return { code, patterns: [...patterns], cost: isBounded ? cost : { ...cost, perByte: Infinity } };
}

function stepsOf(linear: string | null): number {
  return linear === null ? Infinity : instructionsOf(linear) * STEPS_OF_INSTRUCTION;
}

function hasShortPatterns(linear: readonly (string | null)[]): boolean {
  const instructions = linear.map((source) => (source === null ? Infinity : instructionsOf(source)));
  const sum = instructions.reduce((a, b) => a + b, 0);
  return sum <= INSTRUCTIONS_SUM_MAX && instructions.every((count) => count <= INSTRUCTIONS_MAX);
}

/** Infinity: RE2 does not take it. */
function instructionsOf(linear: string): number {
  try {
    return RE2JS.compile(linear).programSize();
  } catch {
    return Infinity;
  }
}
