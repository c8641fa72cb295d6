import { type PartitionSpan } from '@sink/domain';
import { decodeValue, encodeValue, ENCODED_BYTES_MAX, type PathValue } from './encode-value.ts';
import { isDirective, parseTemplate, type Piece, TemplateError, type Variable } from './template.ts';
import { LocalTime, minutesOf, type SlotInterval, TimeSlots, utcMs } from './time-slots.ts';

export interface LayoutSettings {
  /** `vanus`, `hive`, or a template. */
  readonly path: string;
  /** Of a preset. */
  readonly timeInterval: SlotInterval;
  /** IANA. */
  readonly timeZone: string;
}

/** Where events go whose own time is too far from that of acceptance, below the prefix. */
export const LATE_FOLDER = 'late/';
/** Where events go beyond `max_partitions`, below the prefix. */
export const OTHER_FOLDER = 'other/';
const FOLDERS = [LATE_FOLDER, OTHER_FOLDER] as const;

/** What a path says. */
export interface ParsedPath {
  readonly folder: (typeof FOLDERS)[number] | null;
  /** The time that it names; null: a template that names no day. Without folder it is the events' time, else that of acceptance. */
  readonly span: PartitionSpan | null;
  /** By `Variable.written`; empty in `other/`. */
  readonly values: ReadonlyMap<string, PathValue>;
}

/** The folders of a route's objects: path, and what it says of the events in it, determine each other. */
export interface Layout {
  /** What a path needs of an event. */
  readonly variables: readonly Variable[];
  /** A preset: every path is a slot of time. */
  readonly isSlot: boolean;
  /** The paths of other slots are in the order of time: the zone is UTC. */
  readonly isUtcSlot: boolean;
  /** The longest path, with `late/` or `other/`, in bytes. */
  readonly pathBytesMax: number;
  /** The path of an event. `values` are those of `variables`; undefined or empty: it has none. */
  render(atMs: number, values: readonly (string | undefined)[]): string;
  /** The path of an event whose own time is too far from that of acceptance. */
  renderLate(acceptedAtMs: number, values: readonly (string | undefined)[]): string;
  /** The path of an event for which there is no room for another path. */
  renderOther(acceptedAtMs: number): string;
  /** Null: this layout does not make it. */
  parse(path: string): ParsedPath | null;
}

const DAY = '%Y/%m/%d';
const HIVE_DAY = 'year=%Y/month=%m/day=%d';
const FORMATS = {
  vanus: { MONTHLY: '%Y/%m', DAILY: DAY, HOURLY: `${DAY}/%H`, MINUTES: `${DAY}/%H/%M` },
  hive: {
    ...{ MONTHLY: 'year=%Y/month=%m', DAILY: HIVE_DAY, HOURLY: `${HIVE_DAY}/hour=%H` },
    MINUTES: `${HIVE_DAY}/hour=%H/minute=%M`,
  },
} as const;
export type PathPreset = keyof typeof FORMATS;
export const PATH_PRESETS = Object.keys(FORMATS) as readonly PathPreset[];

export function isPathPreset(path: string): path is PathPreset {
  return Object.hasOwn(FORMATS, path);
}

/**
 * Throws TemplateError for a template, and RangeError for a zone, that cannot be used.
 */
export function compileLayout({ path, timeInterval, timeZone }: LayoutSettings): Layout {
  const time = new LocalTime(timeZone);
  const minutes = minutesOf(timeInterval);
  const formatOf = (preset: PathPreset): string =>
    FORMATS[preset][minutes === null ? (timeInterval as keyof (typeof FORMATS)['vanus']) : 'MINUTES'];
  const slot = (preset: PathPreset): CompiledPath =>
    new CompiledPath([{ kind: 'time', format: formatOf(preset) }], time, minutes ?? 1);
  if (isPathPreset(path)) return new CompiledLayout(slot(path), slot('vanus'), true, time.isUtc);
  const pieces = parseTemplate(path);
  const compiled = new CompiledPath(pieces, time, 1);
  checkFolders(compiled);
  return new CompiledLayout(compiled, slot('vanus'), false, false);
}

/** With every value absent a path is as close to `.`, `..` and empty segments as it can be. */
function checkFolders(compiled: CompiledPath): void {
  const segments = compiled.render(0, []).split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new TemplateError('no segment of a path is empty, . or ..', 1);
  }
  const [first = ''] = segments;
  const folder = FOLDERS.find((each) => canBecome(compiled.head, each));
  if (folder !== undefined) {
    throw new TemplateError(`a path does not begin with ${folder}, where events go that have no path of their own`, 1);
  }
  if (first.startsWith('_')) throw new TemplateError('a path does not begin with _, which is for files of the sink', 1);
}

/** Whether a path with this head, its text before the first value, may lead into `folder`. */
function canBecome({ text, isWhole }: CompiledPath['head'], folder: string): boolean {
  return text.startsWith(folder) || (!isWhole && folder.startsWith(text)) || `${text}/` === folder;
}

class CompiledLayout implements Layout {
  readonly isSlot: boolean;
  readonly isUtcSlot: boolean;
  readonly pathBytesMax: number;
  readonly #path: CompiledPath;
  readonly #other: CompiledPath;

  constructor(path: CompiledPath, other: CompiledPath, isSlot: boolean, isUtcSlot: boolean) {
    this.#path = path;
    this.#other = other;
    this.isSlot = isSlot;
    this.isUtcSlot = isUtcSlot;
    this.pathBytesMax = Math.max(LATE_FOLDER.length + path.bytesMax, OTHER_FOLDER.length + other.bytesMax);
  }

  get variables(): readonly Variable[] {
    return this.#path.variables;
  }

  render(atMs: number, values: readonly (string | undefined)[]): string {
    return this.#path.render(atMs, values);
  }

  renderLate(acceptedAtMs: number, values: readonly (string | undefined)[]): string {
    return LATE_FOLDER + this.#path.render(acceptedAtMs, values);
  }

  renderOther(acceptedAtMs: number): string {
    return OTHER_FOLDER + this.#other.render(acceptedAtMs, []);
  }

  parse(path: string): ParsedPath | null {
    const parsed = this.#path.parse(path);
    if (parsed !== null) return { folder: null, ...parsed };
    const folder = FOLDERS.find((each) => path.startsWith(each));
    if (folder === undefined) return null;
    const compiled = folder === LATE_FOLDER ? this.#path : this.#other;
    const inFolder = compiled.parse(path.slice(folder.length));
    return inFolder === null ? null : { folder, ...inFolder };
  }
}

/** A value's place in a path. */
interface Place {
  /** Its index in `variables`. */
  readonly index: number;
  readonly fallback: string | null;
  /** Encoded values, by value. */
  readonly known: Map<string, string>;
}

/** Longer values, and more of them, are encoded each time. */
const KNOWN_CHARACTERS_MAX = 256;
const KNOWN_MAX = 4_096;

class CompiledPath {
  readonly variables: readonly Variable[];
  readonly bytesMax: number;
  readonly #places: readonly Place[];
  /** What is before each place, and after the last. */
  readonly #slots: TimeSlots<readonly string[]>;
  readonly #time: LocalTime;
  readonly #minutes: number;
  readonly #pattern: RegExp;
  /** What each group of the pattern is: a directive, or a place. */
  readonly #groups: readonly string[];

  /** @param minutes in which `%M` counts: its value is a multiple of it */
  constructor(pieces: readonly Piece[], time: LocalTime, minutes: number) {
    const values = pieces.filter((piece) => piece.kind === 'value');
    const variables = new Map(values.map(({ variable }) => [variable.written, variable] as const));
    this.variables = [...variables.values()];
    this.#places = values.map(({ variable, fallback }) => ({
      index: [...variables.keys()].indexOf(variable.written),
      fallback,
      known: new Map<string, string>(),
    }));
    this.#time = time;
    this.#minutes = minutes;
    const { texts, hasMinutes } = textsOf(pieces);
    const step = hasMinutes ? (minutes === 1 ? 1 : 5) : 15;
    this.#slots = new TimeSlots(time, step, (localMs) => texts.map((text) => this.#timeText(localMs, text)));
    this.bytesMax =
      texts.join('').replaceAll('%Y', '%%%%').replaceAll('%j', '%%%').length + values.length * ENCODED_BYTES_MAX;
    const { pattern, groups } = patternOf(texts);
    this.#pattern = pattern;
    this.#groups = groups;
  }

  /** What all paths begin with, but for digits of time. `isWhole`: there are no values. */
  get head(): { readonly text: string; readonly isWhole: boolean } {
    return { text: this.#slots.at(0)[0] ?? '', isWhole: this.#places.length === 0 };
  }

  render(atMs: number, values: readonly (string | undefined)[]): string {
    const texts = this.#slots.at(atMs);
    let path = texts[0] ?? '';
    for (let at = 0; at < this.#places.length; at++) {
      const place = this.#places[at];
      if (place !== undefined) path += encodedAt(place, values[place.index]) + (texts[at + 1] ?? '');
    }
    return path;
  }

  parse(path: string): Omit<ParsedPath, 'folder'> | null {
    const match = this.#pattern.exec(path);
    if (match === null) return null;
    const digits = new Map<string, number>();
    const values = new Map<string, PathValue>();
    let places = 0;
    for (const [index, group] of this.#groups.entries()) {
      const text = match[index + 1] ?? '';
      if (group !== PLACE) {
        if ((digits.get(group) ?? Number(text)) !== Number(text)) return null;
        digits.set(group, Number(text));
        continue;
      }
      const place = this.#places[places++];
      const variable = place && this.variables[place.index];
      const value = place && decodeValue(text, place.fallback);
      if (!variable || !value) return null;
      const before = values.get(variable.written);
      if (before !== undefined && !isSame(before, value)) return null;
      values.set(variable.written, value);
    }
    const span = this.#spanOf(digits);
    return span === 'none' ? null : { span, values };
  }

  #timeText(localMs: number, format: string): string {
    if (!format.includes('%')) return format;
    const local = new Date(localMs);
    const minute = local.getUTCMinutes();
    return format
      .replaceAll('%Y', padded(local.getUTCFullYear(), 4))
      .replaceAll('%m', padded(local.getUTCMonth() + 1, 2))
      .replaceAll('%d', padded(local.getUTCDate(), 2))
      .replaceAll('%H', padded(local.getUTCHours(), 2))
      .replaceAll('%M', padded(minute - (minute % this.#minutes), 2))
      .replaceAll('%j', padded(Math.floor((localMs - utcMs(local.getUTCFullYear())) / 86_400_000) + 1, 3));
  }

  /** `none`: there is no such time. */
  #spanOf(digits: ReadonlyMap<string, number>): PartitionSpan | null | 'none' {
    const year = digits.get('Y');
    const yearDay = digits.get('j');
    const [month = 1, day = yearDay ?? 1] = [digits.get('m'), digits.get('d')];
    const [hour = 0, minute = 0] = [digits.get('H'), digits.get('M')];
    if (month < 1 || month > 12 || day < 1 || day > 366 || hour > 23 || minute > 59) return 'none';
    if (minute % this.#minutes !== 0) return 'none';
    const isDay = digits.has('d') ? digits.has('m') : yearDay !== undefined;
    if (year === undefined || !(isDay || digits.has('m'))) return null;
    const fromMs = utcMs(year, digits.has('d') || digits.has('m') ? month : 1, day, hour, minute);
    const toMs = this.#endMs(digits, isDay, year, month, fromMs);
    const again = this.#timeText(fromMs, '%Y/%m/%d/%j').split('/').map(Number);
    const [, sameMonth, sameDay, sameYearDay] = again;
    if ((digits.get('m') ?? sameMonth) !== sameMonth || (digits.get('d') ?? sameDay) !== sameDay) return 'none';
    if ((yearDay ?? sameYearDay) !== sameYearDay) return 'none';
    return toMs === null ? null : this.#time.spanOf(fromMs, toMs);
  }

  /** Null: the digits skip a unit, as an hour without a day does. */
  #endMs(
    digits: ReadonlyMap<string, number>,
    isDay: boolean,
    year: number,
    month: number,
    fromMs: number,
  ): number | null {
    if (digits.has('M')) return isDay && digits.has('H') ? fromMs + this.#minutes * 60_000 : null;
    if (digits.has('H')) return isDay ? fromMs + 3_600_000 : null;
    return isDay ? fromMs + 86_400_000 : utcMs(year, month + 1);
  }
}

function encodedAt({ fallback, known }: Place, value: string | undefined): string {
  // JSON can say unpaired surrogates, which are no text: UTF-8 would make all of them the same.
  if (value === undefined || value === '') return fallback ?? MISSING;
  const found = known.get(value);
  if (found !== undefined) return found;
  if (!value.isWellFormed()) return fallback ?? MISSING;
  if (value.length > KNOWN_CHARACTERS_MAX) return encodeValue(value, fallback);
  if (known.size >= KNOWN_MAX) known.clear();
  // A copy: a part of an event's line would keep the whole line in memory.
  const copy = Buffer.from(value).toString();
  const encoded = encodeValue(copy, fallback);
  known.set(copy, encoded);
  return encoded;
}

/** Every event has a value where a template has no default: what does not, is none. No value has this encoding. */
const MISSING = '_';

const PLACE = 'value';

function isSame(one: PathValue, other: PathValue): boolean {
  if (one.kind !== other.kind) return false;
  return one.kind === 'shortened' ? one.encoded === other.encoded : one.value === other.value;
}

/** The text and formats of time between values, one more than there are values; literal text has no `%`. */
function textsOf(pieces: readonly Piece[]): { readonly texts: readonly string[]; readonly hasMinutes: boolean } {
  const texts = [''];
  let hasMinutes = false;
  for (const piece of pieces) {
    if (piece.kind === 'value') texts.push('');
    else texts.push((texts.pop() ?? '') + (piece.kind === 'text' ? piece.text : piece.format));
    hasMinutes ||= piece.kind === 'time' && piece.format.includes('%M');
  }
  return { texts, hasMinutes };
}

/** Each text between values matches in one way only, because checkOrder lets no two values touch. */
function patternOf(texts: readonly string[]): { readonly pattern: RegExp; readonly groups: readonly string[] } {
  const groups: string[] = [];
  const parts = texts.map((text, index) => {
    if (index > 0) groups.push(PLACE);
    return text.replaceAll(/[.+]|%(.)/g, (found, directive: string | undefined) => {
      if (directive === undefined || !isDirective(directive)) return `\\${found}`;
      groups.push(directive);
      return `(\\d{${directive === 'Y' ? 4 : directive === 'j' ? 3 : 2}})`;
    });
  });
  return { pattern: new RegExp(`^${parts.join('([A-Za-z0-9._%~-]+)')}$`), groups };
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
