import type { SinkConfig } from './sink-config.ts';

const SECRETS: readonly string[] = ['secretAccessKey', 'sessionToken', 'accessKeyId', 'password', 'key'];

/** A copy of the configuration for logs and `check`, with secrets replaced by `(set)`. */
export function describeConfig(config: SinkConfig): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, withoutSecrets(value)]));
}

function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, SECRETS.includes(key) ? '(set)' : withoutSecrets(inner)]),
  );
}
