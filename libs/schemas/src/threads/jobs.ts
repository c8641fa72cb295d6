import type { Compiled, CompileRequest } from '../compile/compiler.ts';
import type { Mismatch } from '../compile/instantiate.ts';
import type { Program } from '../compile/program.ts';

/** What a thread for schemas is asked to do. */
export type SchemaJob =
  | ({ readonly kind: 'compile' } & CompileRequest)
  | {
      readonly kind: 'evaluate';
      readonly id: number;
      /** Null: the thread has it. */
      readonly program: Program | null;
      /** Programs that will not be needed again. */
      readonly forget: readonly number[];
      readonly data: string;
    };

/** How an evaluation ended. `failed`: it threw, because the data is nested too deep for it. */
export type Evaluated =
  | { readonly kind: 'valid' }
  | ({ readonly kind: 'invalid' } & Mismatch)
  | { readonly kind: 'failed'; readonly why: string };

export type SchemaJobAnswer = Compiled | Evaluated;

export function evaluated(evaluate: () => Mismatch | null): Evaluated {
  try {
    const mismatch = evaluate();
    return mismatch === null ? { kind: 'valid' } : { kind: 'invalid', ...mismatch };
  } catch (error) {
    return {
      kind: 'failed',
      why: error instanceof RangeError ? 'the data is nested too deep' : String(error).slice(0, 100),
    };
  }
}
