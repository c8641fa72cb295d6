import { createHash } from 'node:crypto';
import type { Argument, RedisPort, Script } from './port.ts';

export function script(name: string, lua: string): Script {
  return { name, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

/**
 * What an argument is in Lua: the text as it was sent, a number, or, as the last one only, the list of all that follow. `rest`
 * is that too, as they are in ARGV: from the index on that the argument has there, and without the time that a copy takes.
 */
type Kind = 'text' | 'number' | 'list' | 'rest';
type Kinds = Readonly<Record<string, Kind>>;
type NoNames = Readonly<Record<string, never>>;

/** The keys of a call by name; the name `'...slots'` is that of a list. */
type Keys<Names extends readonly string[]> = {
  readonly [Name in Names[number] as Name extends `...${infer List}` ? List : Name]: Name extends `...${string}`
    ? readonly string[]
    : string;
};
type Args<Of extends Kinds> = {
  readonly [Name in keyof Of]: [Of[Name]] extends [never]
    ? never
    : Of[Name] extends 'list' | 'rest'
      ? readonly Argument[]
      : Of[Name] extends 'number'
        ? number
        : Argument;
};

/** A Lua function that several steps call. It sees its parameters only: it comes before the locals of a step. */
export interface LuaFunction {
  readonly name: string;
  /** Functions that it calls. */
  readonly uses: readonly LuaFunction[];
  /** `local function name(…) … end`. */
  readonly lua: string;
}

export interface StepDefinition<
  KeyNames extends readonly string[] = readonly string[],
  ArgKinds extends Kinds = Kinds,
  OptionalKeys extends readonly string[] = readonly string[],
  OptionalArgs extends Kinds = Kinds,
> {
  readonly name: string;
  /**
   * The step runs even when Redis is at maxmemory; without that, nothing could be drained there. Only append and the
   * registration of a writer do not drain: Redis refuses them there at their first denied write.
   */
  readonly draining: boolean;
  /** Keys in their order. Each is a local of the Lua. The last may be a list: `'...slots'`. */
  readonly keys: KeyNames;
  /** Arguments in their order. Each is a local of the Lua. */
  readonly args: ArgKinds;
  /** Keys and arguments that a call gives all of or none of. Without them these locals are nil (a list: empty). */
  readonly optional?: { readonly keys: OptionalKeys; readonly args: OptionalArgs };
  readonly uses?: readonly LuaFunction[];
  readonly lua: string;
}

export interface Step<
  KeyNames extends readonly string[],
  ArgKinds extends Kinds,
  OptionalKeys extends readonly string[],
  OptionalArgs extends Kinds,
> extends Script {
  readonly definition: StepDefinition;
  /** Runs the step. `keys` may have more keys than the step names, so the keys of a lane can be given as they are. */
  run(
    redis: RedisPort,
    keys: Keys<KeyNames>,
    args: Args<ArgKinds>,
    optional?: Keys<OptionalKeys> & Args<OptionalArgs>,
  ): Promise<unknown>;
}

/**
 * A step of the protocol: one Lua script, whose keys and arguments are named once. The `local` lines that give them their
 * names in Lua are generated, and a call passes them by name.
 */
export function step<
  const KeyNames extends readonly string[],
  const ArgKinds extends Kinds,
  const OptionalKeys extends readonly string[] = readonly [],
  const OptionalArgs extends Kinds = NoNames,
>(
  definition: StepDefinition<KeyNames, ArgKinds, OptionalKeys, OptionalArgs>,
): Step<KeyNames, ArgKinds, OptionalKeys, OptionalArgs> {
  const { name, draining, keys, args, optional, uses = [], lua } = definition;
  const argNames = Object.keys(args);
  const optionalArgs: Kinds = optional?.args ?? {};
  const optionalNames = Object.keys(optionalArgs);
  const locals = [
    keyLocals([...keys, ...(optional?.keys ?? [])]),
    argLocals(Object.entries({ ...args, ...optionalArgs })),
  ];
  const code = [...inOrder(uses), lua];
  const parts = [...(draining ? ['#!lua flags=allow-oom', requirePermissions(code)] : []), ...locals, ...code];
  return {
    ...script(name, `${parts.map((part) => part.trim()).join('\n')}\n`),
    definition,
    run(redis, givenKeys, givenArgs, given) {
      const keyList: string[] = [];
      const argList: Argument[] = [];
      for (const key of keys) pushKey(keyList, key, givenKeys);
      for (const arg of argNames) pushArg(argList, (givenArgs as Record<string, Argument | readonly Argument[]>)[arg]);
      if (optional !== undefined && given !== undefined) {
        for (const key of optional.keys) pushKey(keyList, key, given);
        for (const arg of optionalNames)
          pushArg(argList, (given as Record<string, Argument | readonly Argument[]>)[arg]);
      }
      return redis.run(this, keyList, argList);
    },
  };
}

function pushKey(list: string[], name: string, given: Readonly<Record<string, string | readonly string[]>>): void {
  const value = given[listName(name) ?? name];
  if (typeof value === 'string') list.push(value);
  else if (value !== undefined) list.push(...value);
}

function pushArg(list: Argument[], value: Argument | readonly Argument[] | undefined): void {
  if (Array.isArray(value)) list.push(...(value as readonly Argument[]));
  else if (value !== undefined) list.push(value as Argument);
}

/** `slots` for `...slots`; null for a single key. */
function listName(name: string): string | null {
  return name.startsWith('...') ? name.slice(3) : null;
}

function keyLocals(names: readonly string[]): string {
  const kinds = names.map((name) => [listName(name) ?? name, listName(name) === null ? 'text' : 'list'] as const);
  return localsFrom('KEYS', kinds);
}

function argLocals(kinds: readonly (readonly [string, Kind])[]): string {
  return localsFrom('ARGV', kinds);
}

function localsFrom(table: 'KEYS' | 'ARGV', kinds: readonly (readonly [string, Kind])[]): string {
  const values = kinds.map(([, kind], index) => {
    const value = `${table}[${index + 1}]`;
    if (kind === 'list') return '{}';
    if (kind === 'rest') return table;
    return kind === 'number' ? `tonumber(${value})` : value;
  });
  if (values.length === 0) return '';
  const lines = [`local ${kinds.map(([name]) => name).join(', ')} = ${values.join(', ')}`];
  const [list, kind] = kinds.at(-1) ?? [];
  const before = kinds.length - 1;
  if (kind === 'list') lines.push(`for i = ${before + 1}, #${table} do ${list}[i - ${before}] = ${table}[i] end`);
  return lines.join('\n');
}

/** What follows the key in the shortest call of each write. Redis from 8 on looks at the number of arguments, too. */
const WRITES: Readonly<Record<string, string>> = {
  DEL: '',
  HDEL: ", 'f'",
  HINCRBY: ", 'f', '1'",
  HSET: ", 'f', 'v'",
  HSETNX: ", 'f', 'v'",
  PERSIST: '',
  PEXPIRE: ", '1'",
  RENAME: ', KEYS[1]',
  SADD: ", 'm'",
  SET: ", 'v'",
  UNLINK: '',
  XACK: ", 'g', '0-1'",
  XADD: ", '*', 'f', 'v'",
  XCLAIM: ", 'g', 'c', '0', '0-1'",
  XDEL: ", '0-1'",
  'XGROUP CREATE': ", 'g', '$'",
  'XGROUP DELCONSUMER': ", 'g', 'c'",
};

/** Lua: whether this user may not run `command` (and its subcommand) on `key`. */
export function denies(command: string, key: string): string {
  const rest = WRITES[command];
  if (rest === undefined) throw new Error(`the permission to run ${command}: its arguments are not known`);
  const words = command.split(' ').map((word) => `'${word}'`);
  return `not redis.acl_check_cmd(${words.join(', ')}, ${key}${rest})`;
}

/**
 * Lua that refuses the whole step if this user may not run one of its writes: a script that fails half-way keeps what it
 * wrote, and permissions can be taken away at any time. Each check takes more than a microsecond, so append has its own.
 */
function requirePermissions(code: readonly string[]): string {
  const called = [...code.join('\n').matchAll(/redis\.call\('([A-Z]+)'(?:, ('[A-Z]+'))?/g)];
  const commands = called.map(([, command = '', subcommand = '']) =>
    command === 'XGROUP' ? `${command} ${subcommand.replaceAll("'", '')}` : command,
  );
  const writes = commands.filter((command) => Object.hasOwn(WRITES, command));
  if (writes.length < 2) return '';
  const denied = [...new Set(writes)].map((command) => denies(command, 'KEYS[1]')).join(' or ');
  return `if ${denied} then return redis.error_reply('NOPERM this user may not run all writes of this step') end`; // rule: step.permitted
}

/** The functions and all that they use, each once, and none before one that it uses. */
export function inOrder(functions: readonly LuaFunction[]): string[] {
  const found = new Set<LuaFunction>();
  const visit = (one: LuaFunction): void => {
    one.uses.forEach(visit);
    found.add(one);
  };
  functions.forEach(visit);
  return [...found].map(({ lua }) => lua);
}
