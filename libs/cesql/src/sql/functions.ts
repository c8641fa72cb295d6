import { toBoolean, toInteger } from './casting.ts';
import { charactersOf, lengthOf, trim } from './characters.ts';
import { Failure, failure, type Result, type Type, type Value } from './value.ts';

/** A function of CloudEvents SQL. Its parameters are cast to their types before `call` gets them. */
export interface BuiltIn {
  readonly name: string;
  readonly parameters: readonly Type[];
  /** The type of any number of parameters after those. */
  readonly rest?: Type;
  readonly type: Type;
  readonly call: (values: readonly Value[]) => Result;
}

const INTEGER_MIN = -2_147_483_648;
const INTEGER_MAX = 2_147_483_647;

const FUNCTIONS: readonly BuiltIn[] = [
  { name: 'LENGTH', parameters: ['string'], type: 'integer', call: ([x]) => lengthOf(text(x)) },
  { name: 'CONCAT', parameters: [], rest: 'string', type: 'string', call: (values) => values.join('') },
  {
    name: 'CONCAT_WS',
    parameters: ['string'],
    rest: 'string',
    type: 'string',
    call: ([delimiter, ...values]) => values.join(text(delimiter)),
  },
  { name: 'LOWER', parameters: ['string'], type: 'string', call: ([x]) => text(x).toLowerCase() },
  { name: 'UPPER', parameters: ['string'], type: 'string', call: ([x]) => text(x).toUpperCase() },
  { name: 'TRIM', parameters: ['string'], type: 'string', call: ([x]) => trim(text(x)) },
  { name: 'LEFT', parameters: ['string', 'integer'], type: 'string', call: ([x, y]) => left(text(x), integer(y)) },
  { name: 'RIGHT', parameters: ['string', 'integer'], type: 'string', call: ([x, y]) => right(text(x), integer(y)) },
  {
    name: 'SUBSTRING',
    parameters: ['string', 'integer'],
    type: 'string',
    call: ([x, position]) => substring(text(x), integer(position), INTEGER_MAX),
  },
  {
    name: 'SUBSTRING',
    parameters: ['string', 'integer', 'integer'],
    type: 'string',
    call: ([x, position, length]) => substring(text(x), integer(position), integer(length)),
  },
  { name: 'ABS', parameters: ['integer'], type: 'integer', call: ([x]) => abs(integer(x)) },
  { name: 'INT', parameters: ['integer'], type: 'integer', call: ([x]) => integer(x) },
  { name: 'BOOL', parameters: ['boolean'], type: 'boolean', call: ([x]) => x === true },
  { name: 'STRING', parameters: ['string'], type: 'string', call: ([x]) => text(x) },
  { name: 'IS_INT', parameters: ['any'], type: 'boolean', call: ([x = '']) => !(toInteger(x) instanceof Failure) },
  { name: 'IS_BOOL', parameters: ['any'], type: 'boolean', call: ([x = '']) => !(toBoolean(x) instanceof Failure) },
];

export const FUNCTION_NAMES: readonly string[] = [...new Set(FUNCTIONS.map(({ name }) => name))];

/** The function of that name for so many values. */
export function functionOf(name: string, count: number): BuiltIn | undefined {
  return FUNCTIONS.find(
    ({ name: known, parameters, rest }) =>
      known === name && (rest === undefined ? parameters.length === count : parameters.length <= count),
  );
}

/** How many values a function takes, in words; `undefined` if there is none of that name. */
export function arityOf(name: string): string | undefined {
  const counts = FUNCTIONS.filter((candidate) => candidate.name === name).map(
    ({ parameters, rest }) => `${parameters.length}${rest === undefined ? '' : ' or more'}`,
  );
  return counts.length === 0 ? undefined : counts.join(' or ');
}

function left(x: string, count: number): Result {
  return count < 0 ? new Failure('functionEvaluation', x) : charactersOf(x, 0, count);
}

function right(x: string, count: number): Result {
  if (count < 0) return new Failure('functionEvaluation', x);
  const length = lengthOf(x);
  return charactersOf(x, Math.max(0, length - count), length);
}

/** Positions are counted from 1, or backwards from the end with negative numbers. */
function substring(x: string, position: number, count: number): Result {
  const length = lengthOf(x);
  if (count < 0 || position > length || position < -length) return failure('string', 'functionEvaluation');
  if (position === 0) return '';
  const from = position > 0 ? position - 1 : length + position;
  return charactersOf(x, from, Math.min(length, from + count));
}

function abs(x: number): Result {
  return x === INTEGER_MIN ? new Failure('math', INTEGER_MAX) : Math.abs(x);
}

function text(value: Value | undefined): string {
  return String(value);
}

function integer(value: Value | undefined): number {
  return Number(value);
}
