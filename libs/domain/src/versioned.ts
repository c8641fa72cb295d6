/**
 * Parses a stored JSON object of one of these format versions.
 * @param unreadable makes the error: `version` for a text of another format version, `damaged` if it is not a JSON
 *   object
 */
export function parseVersioned(
  json: string,
  versions: readonly number[],
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
  if (versions.some((version) => version === found)) return value;
  const known = versions.join(' or ');
  throw unreadable('version', `version ${JSON.stringify(found)} is not ${known}; a newer release wrote it`);
}
