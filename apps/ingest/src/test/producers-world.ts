import { loadConfig } from '@sink/config';
import { type Clock, systemClock } from '@sink/runtime';
import { onTestFinished } from 'vitest';
import { JwtCredentials } from '../producers/jwt/jwt-credentials.ts';
import type { ClientOf } from '../producers/mtls.ts';
import { Producers } from '../producers/producers.ts';

/** Looks at files often. */
const clock: Pick<Clock, 'sleep' | 'wallMs'> = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal),
};

/** The producers of a configuration. */
export function producersOf(given: readonly object[], clientOf: ClientOf = () => null): Producers {
  const troubleChanged = (): void => undefined;
  const jwt = new JwtCredentials({ clock: systemClock, proxy: null, troubleChanged });
  const producers = new Producers({ clock, clientOf, jwt, troubleChanged }, 'salt');
  setProducers(producers, given);
  onTestFinished(() => producers.close());
  return producers;
}

/** With which `mtls` is allowed; nothing reads them here. */
const TLS = { 'tls.cert_file': '/c', 'tls.key_file': '/k', 'tls.client_ca_file': '/a' };

export function setProducers(producers: Producers, given: readonly object[]): void {
  const overrides = { ...TLS, producers: given };
  const { producers: settings } = loadConfig({ env: {}, overrides, readText: () => 'missing' });
  producers.set(settings);
}
