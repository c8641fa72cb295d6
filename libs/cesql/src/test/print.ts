import type { Node } from '../sql/ast.ts';
import type { Random } from './random.ts';

const STRENGTH = { logic: 1, comparison: 2, sum: 3, product: 4, in: 5, like: 6, unary: 7, atom: 8 } as const;

/** A tree as text, with as few brackets as the precedence of the specification allows, and now and then one more. */
export function print(node: Node, random: Random): string {
  const inner = (child: Node, least: number): string => {
    const text = print(child, random);
    return strengthOf(child) < least || random.chance(5) ? `(${text})` : text;
  };
  const word = (text: string): string => (random.chance(50) ? text.toLowerCase() : text);
  const space = random.of([' ', '  ', '\n', '\t ']);
  switch (node.kind) {
    case 'literal':
      return typeof node.value === 'string' ? quoted(node.value, random) : word(String(node.value).toUpperCase());
    case 'attribute':
      return random.chance(80) ? node.name : node.name.toUpperCase();
    case 'exists':
      return `${word('EXISTS')}${space}${node.name}`;
    case 'not':
      return `${word('NOT')}${space}${inner(node.operand, STRENGTH.unary)}`;
    case 'minus': {
      const number = node.operand.kind === 'literal' && typeof node.operand.value === 'number';
      return number ? `-(${print(node.operand, random)})` : `-${inner(node.operand, STRENGTH.unary)}`;
    }
    case 'comparison':
    case 'arithmetic': {
      const strength = strengthOf(node);
      const operator = node.operator === '!=' && random.chance(50) ? '<>' : node.operator;
      return `${inner(node.left, strength)}${space}${operator}${space}${inner(node.right, strength + 1)}`;
    }
    case 'logic': {
      const same = node.left.kind === 'logic' && node.left.operator === node.operator;
      const left = inner(node.left, same ? STRENGTH.logic : STRENGTH.comparison);
      return `${left}${space}${word(node.operator)}${space}${inner(node.right, STRENGTH.comparison)}`;
    }
    case 'like': {
      const not = node.negated ? `${space}${word('NOT')}` : '';
      return `${inner(node.operand, STRENGTH.like)}${not}${space}${word('LIKE')}${space}${quoted(node.pattern, random)}`;
    }
    case 'in': {
      const not = node.negated ? `${space}${word('NOT')}` : '';
      return `${inner(node.operand, STRENGTH.in)}${not}${space}${word('IN')}${space}(${list(node.set, random)})`;
    }
    case 'call':
      return `${word(node.name)}${random.of(['', ' '])}(${list(node.parameters, random)})`;
  }
}

function list(nodes: readonly Node[], random: Random): string {
  return nodes.map((node) => print(node, random)).join(random.of([',', ', ']));
}

function quoted(text: string, random: Random): string {
  const quote = random.of(["'", '"']);
  return `${quote}${text.replaceAll(quote, `\\${quote}`)}${quote}`;
}

function strengthOf(node: Node): number {
  switch (node.kind) {
    case 'logic':
    case 'comparison':
    case 'in':
    case 'like':
      return STRENGTH[node.kind];
    case 'arithmetic':
      return node.operator === '+' || node.operator === '-' ? STRENGTH.sum : STRENGTH.product;
    case 'not':
    case 'minus':
      return STRENGTH.unary;
    default:
      return STRENGTH.atom;
  }
}
