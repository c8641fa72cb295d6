import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Argument, RedisPort } from './port.ts';
import { type LuaFunction, step, type StepDefinition } from './step.ts';
import { LaneWorld } from './test/lane-world.ts';

const world = new LaneWorld();

const EXPORTED = await exported();
const STEPS = EXPORTED.map(({ definition }) => [definition.name, definition] as const);

interface ExportedStep {
  readonly definition: StepDefinition;
  /** The whole script. */
  readonly lua: string;
}

/** Every step that a file of steps/ exports. */
async function exported(): Promise<ExportedStep[]> {
  const folder = join(import.meta.dirname, 'steps');
  const modules = await Promise.all(
    readdirSync(folder).map((file) => import(join(folder, file)) as Promise<Record<string, unknown>>),
  );
  return modules.flatMap((module) => Object.values(module)).filter(isStep);
}

function isStep(value: unknown): value is ExportedStep {
  return typeof value === 'object' && value !== null && 'definition' in value;
}

const KEYWORDS =
  'and break do else elseif end false for function if in local nil not or repeat return then true until while';
const BUILT_IN = 'redis cjson string table math tonumber type ipairs unpack error';
const KNOWN = new Set(`${KEYWORDS} ${BUILT_IN}`.split(' '));

/** The Lua without comments and texts. */
function bare(lua: string): string {
  return lua.replace(/--.*/g, '').replace(/'[^']*'/g, "''");
}

/** Names that the Lua reads, without fields (`a.name`, `{name = …}`). */
function namesIn(lua: string): Set<string> {
  const found = bare(lua).matchAll(/(?<![\w.])([a-zA-Z_]\w*)(?!\w)(?!\s*=\s*[^=\n]*,?\n?\s*(?:\}|\w+ = ))/g);
  return new Set([...found].map(([, name]) => name ?? '').filter((name) => !KNOWN.has(name)));
}

/** Names that the Lua declares: locals, functions, parameters, variables of loops. */
function declaredIn(lua: string): Set<string> {
  const text = bare(lua);
  const lists = [
    ...[...text.matchAll(/\blocal (?!function)([\w, ]+)/g)].map(([, names]) => names),
    ...[...text.matchAll(/\bfunction ?(\w*)/g)].map(([, name]) => name),
    ...[...text.matchAll(/\bfunction \w*\(([\w, ]*)\)/g)].map(([, names]) => names),
    ...[...text.matchAll(/\bfor ([\w, ]+?)(?: in | = )/g)].map(([, names]) => names),
  ];
  return new Set(lists.flatMap((names = '') => names.split(',').map((name) => name.trim())));
}

function allUsed(functions: readonly LuaFunction[] = []): LuaFunction[] {
  return [...new Set(functions.flatMap((one) => [one, ...allUsed(one.uses)]))];
}

const FUNCTIONS = [
  ...new Map(STEPS.flatMap(([, { uses }]) => allUsed(uses)).map((one) => [one.name, one] as const)),
].sort();

describe('the names of a step', () => {
  test('there are steps, each under a name of its own', () => {
    expect(STEPS.length).toBeGreaterThan(15);
    expect(new Set(STEPS.map(([name]) => name)).size).toBe(STEPS.length);
  });

  test.each(STEPS)('%s uses every name that it declares, and no other', (_, definition) => {
    const { keys, args, optional, uses = [], lua } = definition;
    const keyNames = [...keys, ...(optional?.keys ?? [])].map((name) => name.replace('...', ''));
    const given = [...keyNames, ...Object.keys(args), ...Object.keys(optional?.args ?? {})];
    expect(new Set(given).size).toBe(given.length);
    const names = namesIn(lua);
    expect(given.filter((name) => !names.has(name))).toEqual([]);
    expect(uses.map(({ name }) => name).filter((name) => !names.has(name))).toEqual([]);
    const declared = new Set([...given, ...uses.map(({ name }) => name), ...declaredIn(lua)]);
    expect([...names].filter((name) => !declared.has(name))).toEqual([]);
  });

  test.each(FUNCTIONS)('the function %s uses its parameters and what it declares, and no other name', (name, one) => {
    const [, ownName, parameters] = /^local function (\w+)\(([\w, ]*)\)/.exec(one.lua.trim()) ?? [];
    expect(ownName).toBe(name);
    const body = one.lua.replace(/local function \w+\([\w, ]*\)/, '');
    const names = namesIn(body);
    const given = [...(parameters ?? '').split(', ').filter(Boolean), ...one.uses.map((used) => used.name)];
    expect(given.filter((used) => !names.has(used))).toEqual([]);
    const declared = new Set([...given, ...declaredIn(body)]);
    expect([...names].filter((used) => !declared.has(used))).toEqual([]);
  });

  test('a name that is not declared is found', () => {
    expect(namesIn("local a = redis.call('GET', key) -- text\nreturn a.field .. other")).toEqual(
      new Set(['a', 'key', 'other']),
    );
    expect(declaredIn('local a, b = f(1)\nfor i, c in ipairs(a) do end\nlocal function g(x) end')).toEqual(
      new Set(['a', 'b', 'i', 'c', 'g', 'x']),
    );
  });
});

describe('a call of a step', () => {
  const calls: (readonly [readonly string[], readonly Argument[]])[] = [];
  const port: RedisPort = {
    run: async (_script, keys, args) => calls.push([keys, args]),
    call: async () => null,
    callBuffer: async () => null,
  };
  const example = step({
    name: 'example',
    draining: true,
    keys: ['first', 'second'],
    args: { limit: 'number', name: 'text' },
    optional: { keys: ['...more'], args: { times: 'number', words: 'list' } },
    lua: 'return {first, second, limit + 1, name, #more, times or 0, unpack(words)}',
  });

  test('puts keys and arguments in the order of their declaration', async () => {
    await example.run(port, { second: 'b', first: 'a' }, { name: 'x', limit: 3 });
    const optional = { words: ['w', 'v'], times: 4, more: ['c', 'd'] };
    await example.run(port, { first: 'a', second: 'b' }, { limit: 3, name: 'x' }, optional);
    expect(calls).toEqual([
      [
        ['a', 'b'],
        [3, 'x'],
      ],
      [
        ['a', 'b', 'c', 'd'],
        [3, 'x', 4, 'w', 'v'],
      ],
    ]);
  });

  test('gives them their names in Lua, numbers as numbers and lists as lists', async () => {
    const keys = { first: '{t}a', second: '{t}b' };
    const optional = { more: ['{t}c', '{t}d'], times: 4, words: ['w', 'v'] };
    expect(await example.run(world.port, keys, { limit: 3, name: '7' })).toEqual(['{t}a', '{t}b', 4, '7', 0, 0]);
    expect(await example.run(world.port, keys, { limit: 3, name: '7' }, optional)).toEqual([
      '{t}a',
      '{t}b',
      4,
      '7',
      2,
      4,
      'w',
      'v',
    ]);
  });

  test('does not compile with a name that is missing, misspelt or too many', () => {
    const keys = { first: 'a', second: 'b' };
    const args = { limit: 3, name: 'x' };
    const wrong = (): unknown[] => [
      // @ts-expect-error a key is missing
      example.run(port, { first: 'a' }, args),
      // @ts-expect-error a key is too many
      example.run(port, { first: 'a', second: 'b', third: 'c' }, args),
      // @ts-expect-error an argument is missing
      example.run(port, keys, { limit: 3 }),
      // @ts-expect-error an argument is too many
      example.run(port, keys, { limit: 3, name: 'x', nmae: 'y' }),
      // @ts-expect-error a number is text
      example.run(port, keys, { limit: '3', name: 'x' }),
      // @ts-expect-error a part of the optional group is missing
      example.run(port, keys, args, { more: [], times: 1 }),
    ];
    expect(wrong).toBeTypeOf('function');
  });
});

// Redis from 8 on, and Valkey, refuse the script otherwise. Debian's Redis 7.0 does not look.
test.each(EXPORTED.map((one) => [one.definition.name, one.lua] as const))(
  '%s asks for each permission with as many arguments as the command has at least',
  async (_name, lua) => {
    for (const [, list = ''] of lua.matchAll(/acl_check_cmd\(([^)]*)\)/g)) {
      const args = list.split(', ');
      const names = args.flatMap((arg) => (/^'([A-Z]+)'$/.exec(arg) ?? []).slice(1)).map((name) => name.toLowerCase());
      const [[, arity] = []] = (await world.redis.command('INFO', names.join('|'))) as [string, number][];
      expect(arity, list).toBeDefined();
      expect(args.length, list).toBeGreaterThanOrEqual(Math.abs(arity ?? 0));
    }
  },
);
