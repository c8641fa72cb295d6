/** Reads an option of the command line. @throws when it is not an integer of at least 1 */
export function positive(option: string, given: string): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option} ${given}: give an integer of at least 1`);
  return value;
}
