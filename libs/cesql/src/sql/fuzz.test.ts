import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { test } from 'vitest';
import { Broken, meaning } from '../test/oracle.ts';
import { print } from '../test/print.ts';
import { Random } from '../test/random.ts';
import { randomEvent, randomTree } from '../test/random-tree.ts';
import type { Node } from './ast.ts';
import { CesqlError } from './cesql-error.ts';
import { compileExpression } from './compile.ts';
import { parse } from './parser.ts';
import { Failure } from './value.ts';

/** Without the variable, so many rounds of each test; with it, as many as fit into so many seconds. */
const SECONDS = Number(process.env['SINK_FUZZ_SECONDS'] ?? 0);
const ROUNDS = 2_000;
const FIRST_SEED = Number(process.env['SINK_FUZZ_SEED'] ?? Date.now() % 1_000_000_000);
/** What no round may take, whatever else the machine does. */
const ROUND_MAX_MS = 5_000;
const SOUP = [
  ...['AND', 'OR', 'XOR', 'NOT', 'LIKE', 'EXISTS', 'IN', 'TRUE', 'false', '(', ')', ',', '=', '!=', '<>', '<=', '<'],
  ...[
    '+',
    '-',
    '*',
    '/',
    '%',
    "'a'",
    '"',
    "'",
    '\\',
    '7',
    '99999999999',
    'id',
    'gone',
    'LENGTH(',
    '_',
    ' ',
    '💥',
    '\0',
  ],
] as const;

async function rounds(name: string, round: (random: Random) => void): Promise<void> {
  const end = Date.now() + SECONDS * 1000;
  let done = 0;
  for (; SECONDS > 0 ? Date.now() < end : done < ROUNDS; done += 1) {
    if (done % 1_000 === 0) await setImmediate();
    const seed = FIRST_SEED + done;
    const started = performance.now();
    try {
      round(new Random(seed));
    } catch (cause) {
      throw new Error(`SINK_FUZZ_SEED=${seed}: ${String(cause)}`, { cause });
    }
    const took = performance.now() - started;
    if (took > ROUND_MAX_MS) throw new Error(`SINK_FUZZ_SEED=${seed} took ${Math.round(took)} ms`);
  }
  if (SECONDS > 0) console.log(`${name}: ${done} rounds from seed ${FIRST_SEED}`);
}

const timeout = SECONDS * 1000 + 60_000;

test('an expression that is printed is read back as it was, and means what the oracle says', { timeout }, async () => {
  await rounds('expressions', (random) => {
    const tree = randomTree(random, 1 + random.below(40));
    const text = print(tree, random);
    same(withoutPositions(parse(text)), withoutPositions(tree), text);
    const { evaluate } = compileExpression(text);
    for (let each = 0; each < 3; each += 1) {
      const event = randomEvent(random);
      const result = evaluate({ get: (name) => event.get(name) });
      const told = result instanceof Failure ? result.kind : [result];
      same(told, meant(tree, event), `${text} of ${JSON.stringify([...event])}`);
    }
  });
});

test(
  'whatever text is given, it is refused with a position or evaluated, and nothing is thrown',
  { timeout },
  async () => {
    await rounds('texts', (random) => {
      const text = random.chance(50)
        ? random.many(60, () => random.of(SOUP)).join(random.of(['', ' ']))
        : Buffer.from(random.many(200, () => random.below(256))).toString(random.of(['latin1', 'utf8']));
      const event = randomEvent(random);
      try {
        compileExpression(text).evaluate({ get: (name) => event.get(name) });
      } catch (error) {
        if (!(error instanceof CesqlError)) throw error;
        if (error.position < 1 || error.position > text.length + 1) throw new Error(text, { cause: error });
      }
    });
  },
);

/** `toEqual` costs more than a round. */
function same(given: unknown, expected: unknown, of: string): void {
  if (isDeepStrictEqual(given, expected)) return;
  throw new Error(`${JSON.stringify(given)} in place of ${JSON.stringify(expected)}: ${of}`);
}

function meant(tree: Node, event: Parameters<typeof meaning>[1]): unknown {
  try {
    return [meaning(tree, event)];
  } catch (error) {
    if (error instanceof Broken) return error.kind;
    throw error;
  }
}

function withoutPositions(tree: Node): unknown {
  return JSON.parse(JSON.stringify(tree, (key, value: unknown) => (key === 'at' ? 0 : value)));
}
