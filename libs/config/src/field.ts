import { z } from 'zod';
import { type HostPort, parseHostPort } from './addresses.ts';
import type { Nested } from './nested.ts';
import { BYTES_PATTERN, DURATION_PATTERN, formatBytes, formatDuration, parseBytes, parseDurationMs } from './units.ts';

/** One key of the configuration: how its value is read, and how it is documented. */
export interface Field<Schema extends z.ZodType = z.ZodType, Unit extends string = string> {
  readonly schema: Schema;
  /** The end of the key's name in SinkConfig: `Ms` for durations, otherwise empty. */
  readonly unit: Unit;
  /** Some sentences for the reference. */
  readonly description: string;
  /** The allowed values: for the reference, and for the error about any other value. */
  readonly allowed: string;
  /** Never printed. */
  readonly secret: boolean;
  /** A wrong value is not printed: it may be the secret that belongs beside it. */
  readonly besideSecret?: boolean;
  /** The value is a mapping with keys of its own, or a list of such mappings. */
  readonly nested?: Nested;
}

/** Schemas before which a text is read as one of their values: the JSON Schemas have the schema of the text beside theirs. */
export const alsoText = new WeakMap<object, z.ZodType>();

/** A field of a kind that this file does not know. */
export function field<Schema extends z.ZodType>(
  schema: Schema,
  allowed: string,
  description: string,
  secret = false,
): Field<Schema, ''> {
  return { schema: schema.meta({ description }), unit: '', allowed, description, secret };
}

/** Numbers may be text, because the older JSON file and the environment contain only text. */
function numberFromText(given: unknown): unknown {
  return typeof given === 'string' && /^\s*[+-]?\d+(\.\d+)?\s*$/.test(given) ? Number(given) : given;
}

function booleanFromText(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  switch (given.trim().toLowerCase()) {
    case 'true':
    case 'yes':
    case 'on':
    case '1':
      return true;
    case 'false':
    case 'no':
    case 'off':
    case '0':
      return false;
    default:
      return given;
  }
}

/** Text with commas. */
export function listFromText(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  return given
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function integerSchema(min: number, max: number) {
  return z.preprocess(numberFromText, z.int().min(min).max(max));
}

function integerAllowed(min: number, max: number, more: string): string {
  return `a whole number from ${min} to ${max}${more}`;
}

/** A whole number with a default. */
export function integer(min: number, max: number, initial: number, description: string) {
  return field(integerSchema(min, max).prefault(initial), integerAllowed(min, max, ''), description);
}

/** A whole number that may be absent. */
export function optionalInteger(min: number, max: number, description: string) {
  return field(integerSchema(min, max).optional(), integerAllowed(min, max, ''), description);
}

/** A TCP port with a default. */
export function port(initial: number, description: string) {
  const allowed = integerAllowed(0, 65_535, ' (0: a free one)');
  return field(integerSchema(0, 65_535).prefault(initial), allowed, description);
}

function quantitySchema(
  pattern: RegExp,
  parse: (given: unknown) => number | undefined,
  min: number,
  max: number,
  allowed: string,
) {
  return z.union([z.number(), z.string().regex(pattern)]).transform((given, context) => {
    const quantity = parse(given);
    if (quantity !== undefined && quantity >= min && quantity <= max) return quantity;
    context.addIssue({ code: 'custom', message: allowed });
    return z.NEVER;
  });
}

function bytesAllowed(min: number, max: number): string {
  return `bytes as a number, or with a unit (kB, MB, GB, KiB, MiB, GiB), from ${formatBytes(min)} to ${formatBytes(max)}`;
}

/** A size -> bytes. */
export function bytes(min: number, max: number, initial: string, description: string) {
  const allowed = bytesAllowed(min, max);
  return field(quantitySchema(BYTES_PATTERN, parseBytes, min, max, allowed).prefault(initial), allowed, description);
}

/** A size that may be absent. */
export function optionalBytes(min: number, max: number, description: string) {
  const allowed = bytesAllowed(min, max);
  return field(quantitySchema(BYTES_PATTERN, parseBytes, min, max, allowed).optional(), allowed, description);
}

function durationAllowed(minMs: number, maxMs: number): string {
  const range = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  return `seconds as a number, or with a unit (ms, s, m, h), ${range}`;
}

/** A duration -> milliseconds. A number without a unit is seconds, as in the original connector. */
export function duration(minMs: number, maxMs: number, initial: number | string, description: string) {
  const allowed = durationAllowed(minMs, maxMs);
  const schema = quantitySchema(DURATION_PATTERN, parseDurationMs, minMs, maxMs, allowed);
  return { ...field(schema.prefault(initial), allowed, description), unit: 'Ms' } as const;
}

/** A duration that may be absent. */
export function optionalDuration(minMs: number, maxMs: number, description: string) {
  const allowed = durationAllowed(minMs, maxMs);
  const schema = quantitySchema(DURATION_PATTERN, parseDurationMs, minMs, maxMs, allowed);
  return { ...field(schema.optional(), allowed, description), unit: 'Ms' } as const;
}

function wordSchema<const Word extends string>(words: readonly Word[]) {
  const inAnyCase = (given: unknown): unknown =>
    words.find((word) => typeof given === 'string' && word.toLowerCase() === given.trim().toLowerCase()) ?? given;
  return z.preprocess(inAnyCase, z.enum(words));
}

/** One of a few words, in upper or lower case. */
export function choice<const Word extends string>(words: readonly Word[], initial: Word, description: string) {
  return field(wordSchema(words).prefault(initial), words.join(', '), description);
}

/** One of a few words that may be absent. */
export function optionalChoice<const Word extends string>(words: readonly Word[], description: string) {
  return field(wordSchema(words).optional(), words.join(', '), description);
}

/** One of a few versions, such as 1.2: in YAML it is a number. */
export function version<const Word extends `${number}`>(words: readonly Word[], initial: Word, description: string) {
  const schema = z.union([z.enum(words), z.literal(words.map(Number))]).transform((given) => {
    return words.find((word) => word === String(given)) ?? initial;
  });
  return field(schema.prefault(initial), words.join(', '), description);
}

/** true or false that may be absent. */
export function optionalBoolean(description: string) {
  return field(z.preprocess(booleanFromText, z.boolean()).optional(), 'true or false', description);
}

/** Text with a default. */
export function text(pattern: RegExp, initial: string, allowed: string, description: string) {
  return field(z.string().regex(pattern).prefault(initial), allowed, description);
}

/** Text that may be absent. `tidy` removes what has no meaning, such as the blanks that a copied value brings along. */
export function optionalText(
  pattern: RegExp,
  allowed: string,
  description: string,
  tidy: (given: string) => string = (given) => given,
) {
  const tidied = (given: unknown): unknown => (typeof given === 'string' ? tidy(given) : given);
  return field(z.preprocess(tidied, z.string().regex(pattern)).optional(), allowed, description);
}

/** Text that is never printed, and may be absent. */
export function secretText(description: string, allowed = 'text without line breaks, not only blanks') {
  return field(
    z
      .string()
      .regex(/^[^\r\n\0]*[^\s\0][^\r\n\0]*$/)
      .optional(),
    allowed,
    description,
    true,
  );
}

/** An address that may contain a password. */
export function secretAddress(pattern: RegExp, allowed: string, description: string) {
  return field(z.string().trim().regex(pattern).optional(), allowed, description, true);
}

/** The path of a file. */
export function filePath(description: string) {
  return field(z.string().min(1).optional(), 'the path of a readable file', description);
}

/** Addresses: a list, or text with commas. */
export function addresses(defaultPort: number, description: string) {
  const allowed = `a list of "host:port" (port ${defaultPort} when left out), or the same as text with commas`;
  const schema = z.preprocess(listFromText, z.array(z.string()).min(1).max(100)).transform((given, context) => {
    const parsed = given.map((address) => parseHostPort(address, defaultPort));
    const good = parsed.filter((address): address is HostPort => address !== undefined);
    if (good.length !== parsed.length) context.addIssue({ code: 'custom', message: allowed });
    return good;
  });
  return field(schema.optional(), allowed, description);
}

export function mapFromText(given: unknown): unknown {
  const pairs = listFromText(given);
  if (!Array.isArray(pairs)) return given;
  const entries: unknown[] = pairs;
  return Object.fromEntries(
    entries.map((pair) => {
      const [from = '', to = ''] = String(pair).split('=');
      return [from.trim(), to.trim()] as const;
    }),
  );
}

/** A mapping of addresses to addresses, or text: `from=to,from=to`. */
export function addressMap(description: string) {
  const allowed = 'a mapping of "host:port" to "host:port", or text "host:port=host:port,…"';
  const schema = z.preprocess(mapFromText, z.record(z.string(), z.string())).transform((given, context) => {
    const entries = Object.entries(given).flatMap(([from, to]) => {
      const address = parseHostPort(to, undefined);
      return address && parseHostPort(from, undefined) ? [[from, address] as const] : [];
    });
    if (entries.length !== Object.keys(given).length) context.addIssue({ code: 'custom', message: allowed });
    return Object.fromEntries(entries);
  });
  return field(schema.optional(), allowed, description);
}
