/**
 * Ends a `switch` over a discriminated union: a missing case does not compile, and a value outside of the type throws.
 */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
