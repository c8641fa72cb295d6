import { ATTRIBUTE_NAME } from '../event-view.ts';
import type { Arithmetic, Comparison, Logic, Node } from './ast.ts';
import { CesqlError } from './cesql-error.ts';
import { type Token, tokensOf } from './lexer.ts';

/** Longer expressions are refused, so that a mistake in a configuration cannot cost memory or stack. */
export const LENGTH_MAX = 16_384;
/** How deep an expression may be nested; each operator of a chain (`a OR b OR c`) is one level. */
export const DEPTH_MAX = 500;
const INTEGER_MAX = 2_147_483_647;

const KEYWORDS = new Set(['AND', 'OR', 'XOR', 'NOT', 'LIKE', 'EXISTS', 'IN', 'TRUE', 'FALSE']);

/** How strongly an operator binds. NOT and - bind stronger than all of these. */
const LOGIC = 1;
const COMPARISON = 2;
const SUM = 3;
const PRODUCT = 4;
const IN = 5;
const LIKE = 6;
const UNARY = 7;
const OPERATORS: Readonly<Record<string, number>> = {
  AND: LOGIC,
  OR: LOGIC,
  XOR: LOGIC,
  '=': COMPARISON,
  '!=': COMPARISON,
  '<>': COMPARISON,
  '<': COMPARISON,
  '<=': COMPARISON,
  '>': COMPARISON,
  '>=': COMPARISON,
  '+': SUM,
  '-': SUM,
  '*': PRODUCT,
  '/': PRODUCT,
  '%': PRODUCT,
  IN,
  LIKE,
};

/** The tree of an expression, by Pratt's method. Throws CesqlError. */
export function parse(text: string): Node {
  if (text.length > LENGTH_MAX) throw new CesqlError('parse', LENGTH_MAX + 1, `at most ${LENGTH_MAX} characters`);
  return new Parser(tokensOf(text)).whole();
}

class Parser {
  private readonly tokens: readonly Token[];
  private index = 0;
  private depth = 0;
  /** The height of each tree, which is how deep its evaluation goes. */
  private readonly heights = new WeakMap<Node, number>();
  /** Trees in brackets: their logic operators were put together on purpose. */
  private readonly bracketed = new WeakSet<Node>();

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  whole(): Node {
    const node = this.expression(0);
    const rest = this.peek();
    if (rest.kind !== 'end') {
      throw new CesqlError(
        'parse',
        rest.at,
        `"${rest.text}" cannot follow here: an operator or the end is missing before it`,
      );
    }
    return node;
  }

  private expression(binding: number): Node {
    this.depth += 1;
    if (this.depth > DEPTH_MAX) this.tooDeep(this.peek().at);
    let left = this.prefix();
    for (;;) {
      const { word, negated } = this.operator();
      const strength = OPERATORS[word];
      if (strength === undefined || strength <= binding) break;
      if (negated) this.next();
      const { at } = this.next();
      left = this.infix(word, strength, negated, left, at);
    }
    this.depth -= 1;
    return left;
  }

  /** The operator that comes next, if there is one: `NOT LIKE` and `NOT IN` are two words. */
  private operator(): { readonly word: string; readonly negated: boolean } {
    const word = wordOf(this.peek());
    if (word !== 'NOT') return { word, negated: false };
    const second = wordOf(this.peek(1));
    return second === 'LIKE' || second === 'IN' ? { word: second, negated: true } : { word, negated: false };
  }

  private infix(word: string, strength: number, negated: boolean, left: Node, at: number): Node {
    if (word === 'LIKE') {
      const pattern = this.next();
      if (pattern.kind !== 'string') throw new CesqlError('parse', pattern.at, 'LIKE needs a pattern in quotes');
      return this.tree({ kind: 'like', operand: left, pattern: pattern.text, negated }, [left], at);
    }
    if (word === 'IN') {
      const set = this.list('IN');
      if (set.length === 0) throw new CesqlError('parse', at, 'IN needs at least one value in its brackets');
      return this.tree({ kind: 'in', operand: left, set, negated }, [left, ...set], at);
    }
    const right = this.expression(strength);
    const sides = { left, right };
    if (strength === LOGIC) {
      const operator = word as Logic;
      if (left.kind === 'logic' && left.operator !== operator && !this.bracketed.has(left)) {
        const remedy = `which of ${left.operator} and ${operator} comes first? Put one of them in brackets`;
        throw new CesqlError('parse', at, remedy);
      }
      return this.tree({ kind: 'logic', operator, ...sides }, [left, right], at);
    }
    if (strength === COMPARISON) {
      const operator = (word === '<>' ? '!=' : word) as Comparison;
      return this.tree({ kind: 'comparison', operator, ...sides }, [left, right], at);
    }
    return this.tree({ kind: 'arithmetic', operator: word as Arithmetic, ...sides }, [left, right], at);
  }

  private prefix(): Node {
    const token = this.next();
    switch (token.kind) {
      case 'string':
        return { kind: 'literal', value: token.text };
      case 'integer':
        return integer(token, 1);
      case 'sign':
        return this.prefixSign(token);
      case 'word':
        return this.prefixWord(token);
      case 'end':
        throw new CesqlError('parse', token.at, 'the expression ends where a value is needed');
    }
  }

  private prefixSign(token: Token): Node {
    if (token.text === '(') {
      const node = this.expression(0);
      this.expect(')', 'the bracket that was opened');
      this.bracketed.add(node);
      return node;
    }
    if (token.text === '-' || token.text === '+') {
      const number = this.peek();
      if (number.kind === 'integer') {
        this.next();
        return integer(number, token.text === '-' ? -1 : 1);
      }
      if (token.text === '-') {
        const operand = this.expression(UNARY);
        return this.tree({ kind: 'minus', operand }, [operand], token.at);
      }
    }
    throw new CesqlError('parse', token.at, `a value is needed, not "${token.text}"`);
  }

  private prefixWord(token: Token): Node {
    const word = wordOf(token);
    if (word === 'TRUE' || word === 'FALSE') return { kind: 'literal', value: word === 'TRUE' };
    if (word === 'NOT') {
      const operand = this.expression(UNARY);
      return this.tree({ kind: 'not', operand }, [operand], token.at);
    }
    if (word === 'EXISTS') {
      const name = this.next();
      if (name.kind !== 'word' && name.kind !== 'integer') {
        throw new CesqlError('parse', name.at, 'EXISTS needs the name of an attribute');
      }
      return { kind: 'exists', name: attributeOf(name) };
    }
    if (KEYWORDS.has(word)) throw new CesqlError('parse', token.at, `a value is needed before ${word}`);
    if (isSign(this.peek(), '(')) {
      const parameters = this.list(word);
      return this.tree({ kind: 'call', name: word, at: token.at, parameters }, parameters, token.at);
    }
    return { kind: 'attribute', name: attributeOf(token) };
  }

  /** Values in brackets. */
  private list(owner: string): readonly Node[] {
    this.expect('(', owner);
    if (isSign(this.peek(), ')')) {
      this.next();
      return [];
    }
    const nodes = [this.expression(0)];
    while (isSign(this.peek(), ',')) {
      this.next();
      nodes.push(this.expression(0));
    }
    this.expect(')', `the brackets of ${owner}`);
    return nodes;
  }

  private expect(sign: '(' | ')', of: string): void {
    const token = this.next();
    if (isSign(token, sign)) return;
    const what =
      sign === '(' ? `${of} needs its values in brackets: "(" is missing` : `")" is missing, which closes ${of}`;
    throw new CesqlError('parse', token.at, what);
  }

  private tree(node: Node, children: readonly Node[], at: number): Node {
    const height = 1 + children.reduce((most, child) => Math.max(most, this.heights.get(child) ?? 0), 0);
    if (height > DEPTH_MAX) this.tooDeep(at);
    this.heights.set(node, height);
    return node;
  }

  private tooDeep(at: number): never {
    throw new CesqlError('parse', at, `at most ${DEPTH_MAX} operators inside each other: a long OR is shorter with IN`);
  }

  private peek(ahead = 0): Token {
    const token = this.tokens[this.index + ahead] ?? this.tokens.at(-1);
    if (token === undefined) throw new Error('the list of tokens has no end');
    return token;
  }

  private next(): Token {
    const token = this.peek();
    this.index += 1;
    return token;
  }
}

function wordOf(token: Token): string {
  if (token.kind === 'word') return token.text.toUpperCase();
  return token.kind === 'sign' ? token.text : '';
}

function isSign(token: Token, sign: string): boolean {
  return token.kind === 'sign' && token.text === sign;
}

/** Names are written in any case, as keywords are. */
function attributeOf(token: Token): string {
  const name = token.text.toLowerCase();
  if (name === 'data') throw new CesqlError('parse', token.at, 'data cannot be filtered by: only attributes can');
  if (!ATTRIBUTE_NAME.test(name) || KEYWORDS.has(name.toUpperCase())) {
    throw new CesqlError(
      'parse',
      token.at,
      `"${token.text}" is no attribute: letters and digits only; text is in quotes`,
    );
  }
  return name;
}

function integer(token: Token, sign: 1 | -1): Node {
  const value = sign * Number(token.text);
  if (value > INTEGER_MAX || value < -INTEGER_MAX - 1) {
    throw new CesqlError('parse', token.at, `an integer has 32 bits, so ${token.text} is too large`);
  }
  return { kind: 'literal', value: value + 0 };
}
