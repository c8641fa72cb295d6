import type { Attribute } from '../event-view.ts';
import type { Node } from '../sql/ast.ts';
import type { Value } from '../sql/value.ts';
import type { Random } from './random.ts';

const CHARACTERS = ['a', 'b', 'A', '%', '_', '\\', "'", '"', ' ', '1', '-', 'é', '😀', '\u2003', '\u0085'] as const;
const WORDS = ['', 'true', 'FALSE', 'tru', '0', '12', '+7', '-2147483648', '2147483648', '1 ', 'ab', 'abab'] as const;
const INTEGERS = [0, 1, -1, 2, -2, 3, 7, -7, 1000, 2_147_483_647, -2_147_483_648] as const;
/** `gone` is never there. */
const NAMES = ['a', 'b', 'in1', '7up', 'left', 'int', 'gone'] as const;
const FUNCTIONS = [
  ['LENGTH', 1],
  ['CONCAT', 0],
  ['CONCAT', 3],
  ['CONCAT_WS', 1],
  ['CONCAT_WS', 3],
  ['LOWER', 1],
  ['UPPER', 1],
  ['TRIM', 1],
  ['LEFT', 2],
  ['RIGHT', 2],
  ['SUBSTRING', 2],
  ['SUBSTRING', 3],
  ['ABS', 1],
  ['INT', 1],
  ['BOOL', 1],
  ['STRING', 1],
  ['IS_INT', 1],
  ['IS_BOOL', 1],
] as const;

/** Half of the texts are of few characters, so that patterns fit. */
export function randomText(random: Random): string {
  if (random.chance(50)) return random.many(6, () => random.of(['a', 'a', 'b', '%', '_', '😀'])).join('');
  return random.chance(40) ? random.of(WORDS) : random.many(8, () => random.of(CHARACTERS)).join('');
}

function randomValue(random: Random): Value {
  const kind = random.below(4);
  if (kind === 0) return random.chance(50);
  return kind === 1 ? random.of(INTEGERS) : randomText(random);
}

export function randomEvent(random: Random): ReadonlyMap<string, Attribute> {
  const names = NAMES.filter((name) => name !== 'gone' && random.chance(85));
  return new Map(names.map((name) => [name, randomValue(random)]));
}

/** A text in quotes can say everything but a `\` before its end or before a quote. */
function sayable(text: string): string {
  return text.replaceAll(/\\(?=['"]|$)/g, '/');
}

export function randomTree(random: Random, size: number): Node {
  if (size <= 1) {
    if (random.chance(50)) return { kind: 'attribute', name: random.of(NAMES) };
    if (random.chance(10)) return { kind: 'exists', name: random.of(NAMES) };
    const value = randomValue(random);
    return { kind: 'literal', value: typeof value === 'string' ? sayable(value) : value };
  }
  const child = (): Node => randomTree(random, Math.floor(size / 2));
  const negated = random.chance(30);
  const integer = (): Node => (random.chance(50) ? { kind: 'literal', value: random.of(INTEGERS) } : child());
  const text = (): Node => (random.chance(50) ? { kind: 'literal', value: sayable(randomText(random)) } : child());
  switch (random.below(9)) {
    case 0:
      return { kind: random.of(['not', 'minus']), operand: child() };
    case 1:
    case 2:
      return {
        kind: 'comparison',
        operator: random.of(['=', '!=', '<', '<=', '>', '>=']),
        left: child(),
        right: child(),
      };
    case 3:
      return { kind: 'arithmetic', operator: random.of(['+', '-', '*', '/', '%']), left: integer(), right: integer() };
    case 4:
    case 5:
      return { kind: 'logic', operator: random.of(['AND', 'OR', 'XOR']), left: child(), right: child() };
    case 6:
      return { kind: 'like', operand: text(), pattern: sayable(randomText(random)), negated };
    case 7:
      return { kind: 'in', operand: child(), set: [child(), ...random.many(3, child)], negated };
    default: {
      const [name, count] = random.of(FUNCTIONS);
      return {
        kind: 'call',
        name,
        at: 0,
        parameters: Array.from({ length: count }, (_, index) => (index > 0 ? integer() : text())),
      };
    }
  }
}
