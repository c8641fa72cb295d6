const REDACTED = '[redacted]';
/**
 * Names of secrets in data of other software (headers, options). The sink's own secrets are known by value:
 * `SinkConfig.secrets`.
 */
const SECRET_KEY = /pass(word|phrase|wd)?$|secret|token$|authorization|cookie|private.?key|^key$|credentials?$/i;
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/"'@\\]*(?:\\.[^\s/"'@\\]*)*@/gi;

/** Shorter values are not replaced: a password "a" would remove every "a" of the log, and so show itself. */
const SECRET_LENGTH_MIN = 6;
const DEPTH_MAX = 6;

/**
 * A copy in which the value of every name that looks like a secret is replaced. Errors and class instances are kept.
 */
export function redactByName(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error || depth >= DEPTH_MAX) return value;
  if (Array.isArray(value)) return value.map((item) => redactByName(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      isSecret(name, inner) ? REDACTED : redactByName(inner, depth + 1),
    ]),
  );
}

/** Removes credentials in URLs (`redis://:secret@host`) and known secrets from a line of JSON. */
export function redactLine(line: string, secrets: Iterable<string>): string {
  let redacted = line.includes('@') ? line.replace(URL_CREDENTIALS, `$1${REDACTED}@`) : line;
  for (const secret of secrets) {
    if (secret.length < SECRET_LENGTH_MIN) continue;
    if (redacted.includes(secret)) redacted = redacted.replaceAll(secret, REDACTED);
    const escaped = JSON.stringify(secret).slice(1, -1);
    if (escaped !== secret && redacted.includes(escaped)) redacted = redacted.replaceAll(escaped, REDACTED);
  }
  return redacted;
}

function isSecret(name: string, value: unknown): boolean {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return false;
  return value !== null && value !== undefined && SECRET_KEY.test(name);
}
