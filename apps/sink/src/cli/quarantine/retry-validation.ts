import type { SinkConfig } from '@sink/config';
import { createLogger, systemClock } from '@sink/runtime';

/** How long schemas may take to come. */
const WAIT_MS = 10_000;

/** Why ingest's validation would refuse these lines; null: it would not. */
export async function whyInvalid(lines: readonly string[], config: SinkConfig): Promise<string | null> {
  const { validate } = config;
  if (validate === 'off') return null;
  const { openValidator } = await import('@sink/schemas');
  const log = createLogger({ service: 'sink', level: 'error', secrets: config.secrets });
  const ignore = (): void => undefined;
  const ports = { clock: systemClock, log, fetched: ignore, threaded: ignore, count: ignore };
  const { validator, schemas } = await openValidator({ ...config, validate }, ports);
  try {
    const judged = await validator.check(lines, WAIT_MS);
    if (judged.kind === 'conform') return null;
    if (judged.kind === 'away') return `its schema cannot be had now: ${judged.why}`;
    return judged.events.map(({ message }) => message).join('; ');
  } finally {
    await schemas.close();
  }
}
