import { type EventView, REQUIRED } from '../event-view.ts';
import type { Arithmetic, Comparison, Logic, Node } from './ast.ts';
import { cast, isInt32, toBoolean, toInteger, toText } from './casting.ts';
import { CesqlError } from './cesql-error.ts';
import { arityOf, type BuiltIn, functionOf, FUNCTION_NAMES } from './functions.ts';
import { compileLike } from './like.ts';
import { parse } from './parser.ts';
import { Failure, failure, type Result, type Type, typeOf, type Value } from './value.ts';

/** A tree as one function. It never throws: an error is a result. The first error ends the evaluation. */
export type Evaluate = (event: EventView) => Result;

export interface Expression {
  /** The attributes that it looks at. */
  readonly attributes: readonly string[];
  readonly type: Type;
  readonly evaluate: Evaluate;
}

/** An expression of CloudEvents SQL, version 1. Throws CesqlError. */
export function compileExpression(text: string): Expression {
  return compileTree(parse(text));
}

export function compileTree(tree: Node): Expression {
  const attributes = new Set<string>();
  const { evaluate, type } = compile(tree, attributes);
  return { attributes: [...attributes], type, evaluate };
}

interface Compiled {
  readonly type: Type;
  readonly evaluate: Evaluate;
}

function compile(node: Node, attributes: Set<string>): Compiled {
  switch (node.kind) {
    case 'literal': {
      const { value } = node;
      return { type: typeOf(value), evaluate: () => value };
    }
    case 'attribute':
      attributes.add(node.name);
      return { type: 'any', evaluate: attribute(node.name) };
    case 'exists':
      return { type: 'boolean', evaluate: exists(node.name, attributes) };
    case 'not':
      return { type: 'boolean', evaluate: not(compile(node.operand, attributes).evaluate) };
    case 'minus':
      return { type: 'integer', evaluate: minus(compile(node.operand, attributes).evaluate) };
    case 'comparison': {
      const left = compile(node.left, attributes).evaluate;
      const constant = node.right.kind === 'literal' ? node.right.value : undefined;
      const right = compile(node.right, attributes).evaluate;
      return { type: 'boolean', evaluate: comparison(node.operator, left, right, constant) };
    }
    case 'arithmetic': {
      const left = compile(node.left, attributes).evaluate;
      return { type: 'integer', evaluate: arithmetic(node.operator, left, compile(node.right, attributes).evaluate) };
    }
    case 'logic': {
      const left = compile(node.left, attributes).evaluate;
      return { type: 'boolean', evaluate: logic(node.operator, left, compile(node.right, attributes).evaluate) };
    }
    case 'like':
      return {
        type: 'boolean',
        evaluate: like(compile(node.operand, attributes).evaluate, node.pattern, node.negated),
      };
    case 'in': {
      const operand = compile(node.operand, attributes).evaluate;
      const set = node.set.map((each) => compile(each, attributes).evaluate);
      return { type: 'boolean', evaluate: contained(operand, node.set, set, node.negated) };
    }
    case 'call':
      return call(node, attributes);
  }
}

function attribute(name: string): Evaluate {
  return (event) => {
    const value = event.get(name);
    if (typeof value === 'string' || typeof value === 'boolean') return value;
    if (value === undefined) return failure('any', 'missingAttribute');
    return isInt32(value) ? value : String(value);
  };
}

function exists(name: string, attributes: Set<string>): Evaluate {
  if (REQUIRED.has(name)) return () => true;
  attributes.add(name);
  return (event) => event.get(name) !== undefined;
}

function not(operand: Evaluate): Evaluate {
  return (event) => {
    const value = booleanOf(operand(event));
    return value instanceof Failure ? value : !value;
  };
}

function minus(operand: Evaluate): Evaluate {
  return (event) => {
    const value = integerOf(operand(event));
    return value instanceof Failure ? value : -value | 0;
  };
}

/** The left side of `=` and `!=` is cast to the type of the right one; the others compare integers. */
function comparison(operator: Comparison, left: Evaluate, right: Evaluate, constant: Value | undefined): Evaluate {
  if (operator !== '=' && operator !== '!=') return integerComparison(operator, left, right);
  const equal = operator === '=';
  if (typeof constant === 'string') {
    return (event) => {
      const x = left(event);
      if (typeof x === 'string') return (x === constant) === equal;
      return x instanceof Failure ? failure('boolean', x.kind) : (toText(x) === constant) === equal;
    };
  }
  return (event) => {
    const x = left(event);
    if (x instanceof Failure) return failure('boolean', x.kind);
    const y = right(event);
    if (y instanceof Failure) return failure('boolean', y.kind);
    const value = cast(x, typeOf(y));
    return value instanceof Failure ? failure('boolean', value.kind) : (value === y) === equal;
  };
}

const ORDERS: Readonly<Record<Exclude<Comparison, '=' | '!='>, (x: number, y: number) => boolean>> = {
  '<': (x, y) => x < y,
  '<=': (x, y) => x <= y,
  '>': (x, y) => x > y,
  '>=': (x, y) => x >= y,
};

function integerComparison(operator: keyof typeof ORDERS, left: Evaluate, right: Evaluate): Evaluate {
  return withIntegers('boolean', left, right, ORDERS[operator]);
}

const DIVISION_BY_ZERO = failure('integer', 'math');
/** On 32 bits: what does not fit is wrapped, as the other implementations do. */
const ARITHMETIC: Readonly<Record<Arithmetic, (x: number, y: number) => Result>> = {
  '+': (x, y) => (x + y) | 0,
  '-': (x, y) => (x - y) | 0,
  '*': Math.imul,
  '/': (x, y) => (y === 0 ? DIVISION_BY_ZERO : (x / y) | 0),
  '%': (x, y) => (y === 0 ? DIVISION_BY_ZERO : (x % y) | 0),
};

function arithmetic(operator: Arithmetic, left: Evaluate, right: Evaluate): Evaluate {
  return withIntegers('integer', left, right, ARITHMETIC[operator]);
}

function withIntegers(type: Type, left: Evaluate, right: Evaluate, apply: (x: number, y: number) => Result): Evaluate {
  return (event) => {
    const x = integerOf(left(event));
    if (x instanceof Failure) return failure(type, x.kind);
    const y = integerOf(right(event));
    return y instanceof Failure ? failure(type, y.kind) : apply(x, y);
  };
}

/** AND and OR look at their right side only if the left one does not decide. */
function logic(operator: Logic, left: Evaluate, right: Evaluate): Evaluate {
  if (operator === 'XOR') {
    return (event) => {
      const x = booleanOf(left(event));
      if (x instanceof Failure) return x;
      const y = booleanOf(right(event));
      return y instanceof Failure ? y : x !== y;
    };
  }
  const goesOn = operator === 'AND';
  return (event) => {
    const x = booleanOf(left(event));
    return x === goesOn ? booleanOf(right(event)) : x;
  };
}

function like(operand: Evaluate, pattern: string, negated: boolean): Evaluate {
  const matches = compileLike(pattern);
  return (event) => {
    const value = operand(event);
    return value instanceof Failure ? failure('boolean', value.kind) : matches(toText(value)) !== negated;
  };
}

/** The values of the set are cast to the type of the left side, one after the other until one is equal. */
function contained(operand: Evaluate, nodes: readonly Node[], set: readonly Evaluate[], negated: boolean): Evaluate {
  // A text is looked up among texts that are known beforehand.
  const texts = nodes.every((node) => node.kind === 'literal')
    ? new Set(nodes.map(({ value }) => toText(value)))
    : null;
  return (event) => {
    const value = operand(event);
    if (value instanceof Failure) return failure('boolean', value.kind);
    if (texts !== null && typeof value === 'string') return texts.has(value) !== negated;
    const type = typeOf(value);
    for (const each of set) {
      const member = each(event);
      const other = member instanceof Failure ? member : cast(member, type);
      if (other instanceof Failure) return failure('boolean', other.kind);
      if (other === value) return !negated;
    }
    return negated;
  };
}

function call(node: Extract<Node, { kind: 'call' }>, attributes: Set<string>): Compiled {
  const found = functionOf(node.name, node.parameters.length);
  if (found === undefined) throw new CesqlError('missingFunction', node.at, unknownFunction(node));
  const parameters = node.parameters.map((parameter) => compile(parameter, attributes).evaluate);
  return { type: found.type, evaluate: invocation(found, parameters) };
}

function invocation(
  { parameters: types, rest = 'any', type, call: apply }: BuiltIn,
  parameters: readonly Evaluate[],
): Evaluate {
  return (event) => {
    const values: Value[] = [];
    for (const [index, parameter] of parameters.entries()) {
      const result = parameter(event);
      const value = result instanceof Failure ? result : cast(result, types[index] ?? rest);
      if (value instanceof Failure) return failure(type, value.kind);
      values.push(value);
    }
    return apply(values);
  };
}

function unknownFunction({ name, parameters }: Extract<Node, { kind: 'call' }>): string {
  const arity = arityOf(name);
  if (arity === undefined) return `there is no function ${name}: ${FUNCTION_NAMES.join(', ')}`;
  return `${name} takes ${arity} ${arity === '1' ? 'value' : 'values'}, not ${parameters.length}`;
}

function booleanOf(value: Result): boolean | Failure {
  if (typeof value === 'boolean') return value;
  if (value instanceof Failure) return failure('boolean', value.kind);
  return toBoolean(value) as boolean | Failure;
}

function integerOf(value: Result): number | Failure {
  if (typeof value === 'number') return value;
  if (value instanceof Failure) return failure('integer', value.kind);
  return toInteger(value) as number | Failure;
}
