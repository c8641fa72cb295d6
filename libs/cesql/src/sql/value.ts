/** The values of CloudEvents SQL: String, Integer (32 bits) and Boolean. */
export type Value = string | number | boolean;

/** What the specification calls the errors of an evaluation. */
export type ErrorKind = 'math' | 'cast' | 'missingAttribute' | 'functionEvaluation' | 'generic';

/** The type of an expression as far as it is known before there is an event: that of an attribute is not. */
export type Type = 'string' | 'integer' | 'boolean' | 'any';

/** An error, with the value that the expression has all the same. */
export class Failure {
  readonly kind: ErrorKind;
  readonly value: Value;

  constructor(kind: ErrorKind, value: Value) {
    this.kind = kind;
    this.value = value;
  }
}

export type Result = Value | Failure;

/** The value of an operator one of whose operands failed. */
const ZERO: Readonly<Record<Type, Value>> = { string: '', integer: 0, boolean: false, any: false };
const KINDS = ['math', 'cast', 'missingAttribute', 'functionEvaluation', 'generic'] as const;

function failuresOf(type: Type): Readonly<Record<ErrorKind, Failure>> {
  const entries = KINDS.map((kind) => [kind, new Failure(kind, ZERO[type])] as const);
  return Object.fromEntries(entries) as Record<ErrorKind, Failure>;
}

const FAILURES: Readonly<Record<Type, Readonly<Record<ErrorKind, Failure>>>> = {
  string: failuresOf('string'),
  integer: failuresOf('integer'),
  boolean: failuresOf('boolean'),
  any: failuresOf('any'),
};

/** The failure of an expression of that type. Made beforehand: an evaluation allocates nothing. */
export function failure(type: Type, kind: ErrorKind): Failure {
  return FAILURES[type][kind];
}

export function typeOf(value: Value): Type {
  if (typeof value === 'string') return 'string';
  return typeof value === 'number' ? 'integer' : 'boolean';
}
