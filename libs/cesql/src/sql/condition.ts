import type { EventView } from '../event-view.ts';
import { CesqlError } from './cesql-error.ts';
import { compileExpression } from './compile.ts';
import { type ErrorKind, Failure } from './value.ts';

export interface Condition {
  readonly attributes: readonly string[];
  readonly matches: (event: EventView) => boolean;
}

/** An expression as a filter: only `true` without an error matches. */
export function compileCondition(text: string, onError: (kind: ErrorKind) => void): Condition {
  const { attributes, evaluate, type } = compileExpression(text);
  if (type !== 'boolean' && type !== 'any') {
    const given = type === 'integer' ? 'an Integer' : 'a String';
    throw new CesqlError('parse', 1, `the expression gives ${given}, and a filter needs true or false: compare it`);
  }
  return {
    attributes,
    matches: (event) => {
      const result = evaluate(event);
      if (typeof result === 'boolean') return result;
      onError(result instanceof Failure ? result.kind : 'generic');
      return false;
    },
  };
}
