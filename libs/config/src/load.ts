import { ConfigError } from './config-error.ts';
import type { Environment } from './environment.ts';
import type { SinkConfig } from './sink-config.ts';

/** Where the configuration comes from. */
export interface ConfigSources {
  /** The file of `--config`. Absent: `CONNECTOR_CONFIG`, then the places of the original connector. */
  readonly file?: string;
  readonly env: Environment;
  /** Values that beat file and environment; keys as in the file, also flat (`redis.url`). */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/**
 * Reads, checks and freezes the configuration.
 * @throws ConfigError with all mistakes at once
 */
export function loadConfig(sources: ConfigSources): SinkConfig {
  throw new ConfigError([{ key: sources.file ?? '', given: 'nothing yet', allowed: 'nothing yet' }]);
}
