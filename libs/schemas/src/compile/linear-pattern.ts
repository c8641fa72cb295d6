import { type AST, RegExpParser } from '@eslint-community/regexpp';

/** RE2 repeats no part more often. */
const REPEATS_MAX = 1_000;
/** Of General_Category. A test compares what they mean in RE2 with what they mean in JavaScript. */
const CATEGORIES = /^(L|Lu|Ll|Lt|Lm|Lo|M|Mn|Mc|Me|N|Nd|Nl|No|P|Pc|Pd|Ps|Pe|Pi|Pf|Po|S|Sm|Sc|Sk|So|Z|Zs|Zl|Zp|Cc)$/;
const CODE_POINT_MAX = 0x10ffff;
/** `\s` of JavaScript: white space and ends of lines. */
const SPACES: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const ANY_CHARACTER: readonly Range[] = [[0, CODE_POINT_MAX]];

type Range = readonly [from: number, to: number];

class NotLinear extends Error {
  override readonly name = 'NotLinear';
}

/**
 * A regular expression of JavaScript as one of RE2 that means the same; null: there is none, or it is no valid one. RE2 takes
 * time that is linear in the text. It knows no lookaround and no backreferences, and has other meanings for `\s`, `.` and `$`,
 * so that an expression cannot be given to it as it is.
 */
export function linearPattern(source: string): string | null {
  try {
    const { alternatives } = new RegExpParser({ ecmaVersion: 2025 }).parsePattern(source, 0, source.length, {
      unicode: true,
    });
    return alternation(alternatives);
  } catch {
    // A NotLinear, or the parser's complaint.
    return null;
  }
}

function alternation(alternatives: readonly AST.Alternative[]): string {
  return `(?:${alternatives.map(({ elements }) => elements.map(element).join('')).join('|')})`;
}

function element(node: AST.Element): string {
  switch (node.type) {
    case 'Assertion':
      if (node.kind === 'start') return '\\A';
      if (node.kind === 'end') return '\\z';
      if (node.kind === 'word') return node.negate ? '\\B' : '\\b';
      throw new NotLinear(node.raw);
    case 'Quantifier': {
      const { min, max } = node;
      if (min > REPEATS_MAX || (max !== Infinity && max > REPEATS_MAX)) throw new NotLinear(node.raw);
      return `(?:${element(node.element)}){${min},${max === Infinity ? '' : max}}`;
    }
    case 'Group':
      if (node.modifiers) throw new NotLinear(node.raw);
      return alternation(node.alternatives);
    case 'CapturingGroup':
      return alternation(node.alternatives);
    case 'Character':
      return `[${inClass([[node.value, node.value]])}]`;
    case 'CharacterSet':
      return `[${characterSet(node)}]`;
    case 'CharacterClass':
      return characterClass(node);
    case 'Backreference':
    case 'ExpressionCharacterClass':
      throw new NotLinear(node.raw);
  }
}

function characterClass({ elements, negate }: AST.CharacterClass): string {
  const members = elements.map((member) => {
    switch (member.type) {
      case 'Character':
        return inClass([[member.value, member.value]]);
      case 'CharacterClassRange':
        return inClass([[member.min.value, member.max.value]]);
      case 'CharacterSet':
        return characterSet(member);
      default:
        throw new NotLinear(member.raw);
    }
  });
  // `[]` matches nothing, and `[^]` everything.
  if (members.length === 0) return negate ? `[${inClass(ANY_CHARACTER)}]` : `[^${inClass(ANY_CHARACTER)}]`;
  return `[${negate ? '^' : ''}${members.join('')}]`;
}

/** As members of a class. */
function characterSet(node: AST.CharacterSet): string {
  switch (node.kind) {
    case 'any':
      return inClass(complement(LINE_ENDS));
    case 'digit':
      return node.negate ? '\\D' : '\\d';
    case 'word':
      return node.negate ? '\\W' : '\\w';
    case 'space':
      return inClass(node.negate ? complement(SPACES) : SPACES);
    case 'property': {
      const isCategory = node.key === 'General_Category' || node.key === 'gc' || node.value === null;
      const name = node.value ?? node.key;
      if (node.strings || !isCategory || !CATEGORIES.test(name)) throw new NotLinear(node.raw);
      return `\\${node.negate ? 'P' : 'p'}{${name}}`;
    }
  }
}

function inClass(ranges: readonly Range[]): string {
  const character = (codePoint: number): string => `\\x{${codePoint.toString(16)}}`;
  return ranges.map(([from, to]) => (from === to ? character(from) : `${character(from)}-${character(to)}`)).join('');
}

function complement(ranges: readonly Range[]): Range[] {
  const others: Range[] = [];
  let from = 0;
  for (const [first, last] of ranges) {
    if (first > from) others.push([from, first - 1]);
    from = last + 1;
  }
  others.push([from, CODE_POINT_MAX]);
  return others;
}
