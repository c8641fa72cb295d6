import equalModule from 'ajv/dist/runtime/equal.js';
import lengthModule from 'ajv/dist/runtime/ucs2length.js';
import { RE2Set } from 're2js';
import { formats } from './formats.ts';
import { nativeRegExp } from './native-reg-exp.ts';
import type { Program } from './program.ts';

/** Why data does not conform. */
export interface Mismatch {
  /** A JSON pointer into the data; empty: all of it. */
  readonly at: string;
  readonly keyword: string;
  readonly message: string;
}

/** @returns null if the data conforms @throws what the generated code throws, such as RangeError for data nested too deep */
export type Evaluate = (data: unknown) => Mismatch | null;

interface GeneratedError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
}

interface GeneratedFunction {
  (data: unknown): boolean;
  errors?: readonly GeneratedError[] | null;
}

/** What the generated code may ask for. */
const MODULES = new Map<string, unknown>([
  ['ajv/dist/runtime/equal', commonJs(equalModule)],
  ['ajv/dist/runtime/ucs2length', commonJs(lengthModule)],
]);

/** A bundler and Node differ in what the default of a CommonJS module is: its exports, or their `default`. */
function commonJs<Exported>(imported: Exported | { readonly default: Exported }): { readonly default: Exported } {
  return typeof imported === 'object' && imported !== null && 'default' in imported ? imported : { default: imported };
}

const TEXT_CHARACTERS_MAX = 120;

/**
 * Makes the function of a compiled schema. Which of its regular expressions are RE2's depends on the expression alone, so
 * that every thread comes to the same result.
 */
export function instantiate({ code, patterns }: Program): Evaluate {
  const linear = new Map(patterns);
  const regExp = (source: string): Pick<RegExp, 'test'> => {
    const translated = linear.get(source) ?? null;
    return translated === null ? nativeRegExp(source) : linearOrNative(translated, source);
  };
  const require = (name: string): unknown => {
    if (MODULES.has(name)) return MODULES.get(name);
    throw new Error(`a compiled schema asks for ${name}`);
  };
  const module: { exports: GeneratedFunction } = { exports: () => false };
  // The code is that of compiler.ts, which is made of known keywords only.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  new Function('module', 'require', 'regExp', 'formats', code)(module, require, regExp, formats);
  const validate = module.exports;
  return (data) => {
    if (validate(data)) return null;
    // Where alternatives were tried, the last error is that of the keyword that has them.
    const error = validate.errors?.at(-1);
    validate.errors = null;
    return {
      at: shortened(error?.instancePath ?? ''),
      keyword: error?.keyword ?? 'false schema',
      message: shortened(error?.message ?? 'does not conform'),
    };
  };
}

/** RE2 remembers what it has seen of texts, up to so much. */
const MEMORY_BYTES_MAX = 16 * 1024;

/** As a set of one expression, because only sets have a bound for their memory. They are faster, too. */
function linearOrNative(translated: string, source: string): Pick<RegExp, 'test'> {
  try {
    const set = new RE2Set(RE2Set.UNANCHORED, 0, MEMORY_BYTES_MAX);
    set.add(translated);
    set.compile();
    return { test: (text) => set.match(text).length > 0 };
  } catch {
    // It repeats too much for RE2. The compiler found that too, so that this is a thread with a deadline.
    return nativeRegExp(source);
  }
}

function shortened(text: string): string {
  return text.length > TEXT_CHARACTERS_MAX ? `${text.slice(0, TEXT_CHARACTERS_MAX)}…` : text;
}
