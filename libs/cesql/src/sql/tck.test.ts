import { describe, expect, test } from 'vitest';
import { files as filters } from '../test/tck-filters.ts';
import { files as operators } from '../test/tck-operators.ts';
import { files as values } from '../test/tck-values.ts';
import type { TckCase } from '../test/tck.ts';
import { CesqlError } from './cesql-error.ts';
import { compileExpression } from './compile.ts';
import { Failure } from './value.ts';

const REQUIRED = { specversion: '1.0', id: 'id-1', source: '/source', type: 'com.example.type' };

for (const { file, cases } of [...operators, ...values, ...filters]) {
  describe(file, () => {
    test.each(cases)('$name: $expression', (each) => {
      const { value, error } = outcomeOf(each);
      expect(error).toBe(each.error);
      if (each.result !== undefined) expect(value).toBe(each.result);
    });
  });
}

/** What is refused when it is compiled has the value that the specification gives to such an error: `false`. */
function outcomeOf({ expression, event = {}, whole = false }: TckCase): { value: unknown; error?: string } {
  const attributes = new Map(Object.entries(whole ? event : { ...REQUIRED, ...event }));
  try {
    const result = compileExpression(expression).evaluate({ get: (name) => attributes.get(name) });
    return result instanceof Failure ? { value: result.value, error: result.kind } : { value: result };
  } catch (error) {
    if (error instanceof CesqlError) return { value: false, error: error.kind };
    throw error;
  }
}
