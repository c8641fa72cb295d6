import { failure, type Result, type Type, type Value } from './value.ts';

const INTEGER = /^[+-]?[0-9]+$/;

export function isInt32(value: number): boolean {
  return (value | 0) === value;
}

export function toText(value: Value): string {
  return typeof value === 'string' ? value : String(value);
}

/** A number, or a failure. */
export function toInteger(value: Value): Result {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (!INTEGER.test(value)) return failure('integer', 'cast');
  const number = Number(value) + 0;
  return isInt32(number) ? number : failure('integer', 'cast');
}

/** A boolean, or a failure. */
export function toBoolean(value: Value): Result {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  if (value === 'true') return true;
  if (value === 'false') return false;
  if (value.length > 5) return failure('boolean', 'cast');
  const lower = value.toLowerCase();
  return lower === 'true' || (lower === 'false' ? false : failure('boolean', 'cast'));
}

export function cast(value: Value, type: Type): Result {
  switch (type) {
    case 'string':
      return toText(value);
    case 'integer':
      return toInteger(value);
    case 'boolean':
      return toBoolean(value);
    case 'any':
      return value;
  }
}
