/**
 * Parses a stored JSON object of this format version.
 * @param unreadable makes the error: `version` for a text of another format version, `damaged` if it is not a JSON
 *   object
 */
export function parseVersioned(
  json: string,
  version: number,
  unreadable: (problem: 'version' | 'damaged', message: string) => Error,
): object {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw unreadable('damaged', 'it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw unreadable('damaged', 'it is not an object');
  const found = 'v' in value ? value.v : undefined;
  if (found === version) return value;
  throw unreadable('version', `version ${JSON.stringify(found)} is not ${version}; a newer release wrote it`);
}
