/** An option of the command line. @throws when it is no whole number from 1 on */
export function positive(option: string, given: string): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option} ${given}: give a whole number from 1 on`);
  return value;
}
