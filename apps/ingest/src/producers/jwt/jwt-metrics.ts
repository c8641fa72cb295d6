import { Counter, Gauge, type Registry } from '@sink/runtime';
import type { JwtCredentials } from './jwt-credentials.ts';

/** Metrics of the keys of token issuers, and of remembered tokens. The label is an issuer of the configuration. */
export function registerJwtMetrics(
  registry: Registry,
  jwt: Pick<JwtCredentials, 'keySets' | 'tokensRemembered'>,
): void {
  const registers = [registry];
  const fetches: Counter = new Counter({
    name: 'sink_ingest_key_fetches_total',
    help: 'How often the keys of a token issuer were fetched, by result. Only with producers that have `jwt`.',
    labelNames: ['issuer', 'result'],
    registers,
    collect: () => {
      fetches.reset();
      for (const { issuer, keySet } of jwt.keySets) {
        for (const [result, count] of Object.entries(keySet.counts)) fetches.inc({ issuer, result }, count);
      }
    },
  });
  const age: Gauge = new Gauge({
    name: 'sink_ingest_key_age_seconds',
    help: 'Seconds since the keys of a token issuer were fetched, or since the start if they never were. Only with producers that have `jwt`.',
    labelNames: ['issuer'],
    // Each worker fetches them for itself.
    aggregator: 'max',
    registers,
    collect: () => {
      age.reset();
      for (const { issuer, keySet } of jwt.keySets) age.set({ issuer }, keySet.ageMs / 1000);
    },
  });
  const remembered: Gauge = new Gauge({
    name: 'sink_ingest_tokens_remembered',
    help: 'Tokens that were verified and have not expired; at most 10,000 in each process. Only with producers that have `jwt`.',
    registers,
    collect: () => remembered.set(jwt.tokensRemembered),
  });
}
