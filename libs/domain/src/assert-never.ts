/** Ends a `switch` over a discriminated union: a missing case is a compile error, a value from outside the type a crash. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
