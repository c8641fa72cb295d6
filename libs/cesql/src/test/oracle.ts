import type { Attribute } from '../event-view.ts';
import type { Node } from '../sql/ast.ts';
import type { ErrorKind, Value } from '../sql/value.ts';

/** The kind of the first error of an expression. */
export class Broken extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind) {
    super(kind);
    this.kind = kind;
  }
}

/** What a tree means, told the slow way: with exceptions, BigInt and lists of characters. Throws Broken. */
export function meaning(node: Node, event: ReadonlyMap<string, Attribute>): Value {
  const text = (child: Node): string => String(meaning(child, event));
  const integer = (child: Node): bigint => toInteger(meaning(child, event));
  const boolean = (child: Node): boolean => toBoolean(meaning(child, event));
  switch (node.kind) {
    case 'literal':
      return node.value;
    case 'attribute': {
      const value = event.get(node.name);
      if (value === undefined) throw new Broken('missingAttribute');
      return value;
    }
    case 'exists':
      return event.has(node.name);
    case 'not':
      return !boolean(node.operand);
    case 'minus':
      return wrapped(-integer(node.operand));
    case 'comparison': {
      if (node.operator === '=' || node.operator === '!=') {
        const left = meaning(node.left, event);
        const right = meaning(node.right, event);
        return (like(left, right) === right) === (node.operator === '=');
      }
      const [x, y] = [integer(node.left), integer(node.right)];
      return { '<': x < y, '<=': x <= y, '>': x > y, '>=': x >= y }[node.operator];
    }
    case 'arithmetic': {
      const [x, y] = [integer(node.left), integer(node.right)];
      if (node.operator === '+') return wrapped(x + y);
      if (node.operator === '-') return wrapped(x - y);
      if (node.operator === '*') return wrapped(x * y);
      if (y === 0n) throw new Broken('math');
      return wrapped(node.operator === '/' ? x / y : x % y);
    }
    case 'logic': {
      const left = boolean(node.left);
      if (node.operator === 'AND') return left ? boolean(node.right) : false;
      if (node.operator === 'OR') return left ? true : boolean(node.right);
      return left !== boolean(node.right);
    }
    case 'like':
      return matchesLike(Array.from(text(node.operand)), Array.from(node.pattern)) !== node.negated;
    case 'in': {
      const value = meaning(node.operand, event);
      return node.set.some((each) => like(meaning(each, event), value) === value) !== node.negated;
    }
    case 'call':
      return call(node, event);
  }
}

function call(node: Extract<Node, { kind: 'call' }>, event: ReadonlyMap<string, Attribute>): Value {
  const values = node.parameters.map((each) =>
    meaningOf(each, event, castOf(node.name, node.parameters.indexOf(each))),
  );
  const [first = '', second = 0, third] = values;
  const characters = Array.from(String(first));
  switch (node.name) {
    case 'LENGTH':
      return characters.length;
    case 'CONCAT':
      return values.reduce<string>((all, each) => all + String(each), '');
    case 'CONCAT_WS':
      return values.slice(1).map(String).join(String(first));
    case 'LOWER':
      return String(first).toLowerCase();
    case 'UPPER':
      return String(first).toUpperCase();
    case 'TRIM':
      return String(first).replaceAll(/^\p{White_Space}+|\p{White_Space}+$/gu, '');
    case 'LEFT':
    case 'RIGHT': {
      if (Number(second) < 0) throw new Broken('functionEvaluation');
      if (characters.length <= Number(second)) return String(first);
      const start = node.name === 'LEFT' ? 0 : characters.length - Number(second);
      return characters.filter((_, index) => index >= start && index < start + Number(second)).join('');
    }
    case 'SUBSTRING': {
      const outside = Math.abs(Number(second)) > characters.length;
      if (outside || Number(third ?? 0) < 0) throw new Broken('functionEvaluation');
      if (second === 0) return '';
      const rest = characters.slice(Number(second) > 0 ? Number(second) - 1 : Number(second));
      return (third === undefined ? rest : rest.slice(0, Number(third))).join('');
    }
    case 'ABS':
      if (first === -2_147_483_648) throw new Broken('math');
      return Math.abs(Number(first));
    case 'IS_INT':
      return works(() => toInteger(first));
    case 'IS_BOOL':
      return works(() => toBoolean(first));
    default:
      return first;
  }
}

type Cast = 'text' | 'integer' | 'boolean' | 'none';

function castOf(name: string, index: number): Cast {
  if (name.startsWith('IS_')) return 'none';
  if (name === 'BOOL') return 'boolean';
  if (name === 'INT' || name === 'ABS') return 'integer';
  return index > 0 && ['LEFT', 'RIGHT', 'SUBSTRING'].includes(name) ? 'integer' : 'text';
}

function meaningOf(node: Node, event: ReadonlyMap<string, Attribute>, cast: Cast): Value {
  const value = meaning(node, event);
  if (cast === 'none') return value;
  if (cast === 'boolean') return toBoolean(value);
  return cast === 'integer' ? Number(toInteger(value)) : String(value);
}

/** A value, cast to the type of another one. */
function like(value: Value, model: Value): Value {
  if (typeof model === 'string') return String(value);
  return typeof model === 'number' ? Number(toInteger(value)) : toBoolean(value);
}

function toInteger(value: Value): bigint {
  if (typeof value !== 'string') return BigInt(value);
  if (!/^[+-]?\d+$/.test(value)) throw new Broken('cast');
  const number = BigInt(value.startsWith('+') ? value.slice(1) : value);
  if (BigInt.asIntN(32, number) !== number) throw new Broken('cast');
  return number;
}

function toBoolean(value: Value): boolean {
  if (typeof value !== 'string') return Boolean(value);
  if (!/^(?:true|false)$/i.test(value)) throw new Broken('cast');
  return value.toLowerCase() === 'true';
}

function wrapped(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

function works(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

/** By a table: what of the pattern may have been used up after each character. */
function matchesLike(text: readonly string[], pattern: readonly string[]): boolean {
  const steps: { readonly any: boolean; readonly character: string | null }[] = [];
  for (let index = 0; index < pattern.length; index += 1) {
    const [here = '', following] = [pattern[index], pattern[index + 1]];
    if (here === '\\' && (following === '%' || following === '_')) {
      steps.push({ any: false, character: following });
      index += 1;
    } else steps.push({ any: here === '%', character: here === '%' || here === '_' ? null : here });
  }
  let reached = new Set([0]);
  const skip = (): void => {
    for (const at of reached) if (steps[at]?.any === true) reached.add(at + 1);
  };
  skip();
  for (const character of text) {
    const next = new Set<number>();
    for (const at of reached) {
      const step = steps[at];
      if (step?.any === true) next.add(at);
      else if (step !== undefined && (step.character === null || step.character === character)) next.add(at + 1);
    }
    reached = next;
    skip();
  }
  return reached.has(steps.length);
}
