const REDACTED = '[redacted]';
const SECRET_KEY = /pass(word|phrase|wd)?$|secret|token$|authorization|cookie|private.?key|^key$|credentials?$/i;
const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/"'@\\]*(?:\\.[^\s/"'@\\]*)*@/gi;

/** Shorter values are not replaced by value: a password "a" would eat the log and show itself by that. */
const SECRET_LENGTH_MIN = 6;
const DEPTH_MAX = 6;

/** A copy in which every value under a secret-looking name is replaced. Errors and class instances stay as they are. */
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

/** Every secret string that stands in a configuration: values under secret-looking names, and passwords in URLs. */
export function secretsIn(value: unknown): string[] {
  const found = new Set<string>();
  collect(value, false, found, 0);
  return [...found].filter((secret) => secret.length >= SECRET_LENGTH_MIN);
}

/** Takes credentials out of URLs (`redis://:secret@host`) and known secrets out of a line of JSON. */
export function redactLine(line: string, secrets: readonly string[]): string {
  let redacted = line.includes('@') ? line.replace(URL_CREDENTIALS, `$1${REDACTED}@`) : line;
  for (const secret of secrets) {
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

function collect(value: unknown, secret: boolean, found: Set<string>, depth: number): void {
  if (typeof value === 'string') {
    if (secret) found.add(value);
    if (value.includes('://')) collectFromUrl(value, found);
  } else if (typeof value === 'object' && value !== null && depth < DEPTH_MAX) {
    for (const [name, inner] of Object.entries(value)) {
      collect(inner, (secret && Array.isArray(value)) || SECRET_KEY.test(name), found, depth + 1);
    }
  }
}

function collectFromUrl(value: string, found: Set<string>): void {
  if (!URL.canParse(value)) return;
  const { password } = new URL(value);
  if (password === '') return;
  found.add(password);
  try {
    found.add(decodeURIComponent(password));
  } catch {
    // A malformed escape: the password is what stands there, and that is already in.
  }
}
