import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { loadConfig, type ProducerSettings } from '@sink/config';
import { startTokenIssuer, type TokenIssuer } from '@sink/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { AUDIENCE, bearer, settled } from '../test/jwt-world.ts';
import { ManualClock } from '../test/manual-clock.ts';
import { JwtCredentials } from './jwt/jwt-credentials.ts';
import { Keys } from './jwt/keys.ts';
import { type Identified, Producers } from './producers.ts';

interface World {
  readonly issuer: TokenIssuer;
  readonly clock: ManualClock;
  readonly jwt: JwtCredentials;
  readonly producers: Producers;
  readonly producer: (name: string, more?: object) => object;
  readonly set: (given: readonly object[]) => void;
}

async function start(given: (world: World) => readonly object[]): Promise<World> {
  const issuer = await startTokenIssuer();
  onTestFinished(() => issuer.close());
  const clock = new ManualClock();
  const troubleChanged = (): void => undefined;
  const jwt = new JwtCredentials({ clock, proxy: null, troubleChanged });
  const producers = new Producers({ clock, clientOf: () => null, jwt, troubleChanged }, 'salt');
  onTestFinished(() => producers.close());
  const world: World = {
    issuer,
    clock,
    jwt,
    producers,
    producer: (name, more = {}) => ({ name, jwt: { issuer: issuer.url, audience: AUDIENCE, ...more } }),
    set: (list) => producers.set(settingsOf(list)),
  };
  world.set(given(world));
  await settled(jwt);
  return world;
}

function settingsOf(given: readonly object[]): readonly ProducerSettings[] {
  return loadConfig({ env: {}, overrides: { producers: given }, readText: () => 'missing' }).producers;
}

/** In short: the producer, or the status and the producer that is refused. */
function said(identified: Identified): string {
  if (identified.kind === 'signed') return 'signed';
  const name = identified.producer?.name ?? 'nobody';
  return identified.kind === 'known' ? name : `${identified.refusal.status} ${name}`;
}

async function identify({ producers }: World, token: string): Promise<string> {
  return said(await producers.identify(bearer(token)));
}

const bySubject = ({ producer }: World): object[] => ['a', 'b', 'c'].map((sub) => producer(sub, { subjects: [sub] }));

it('a request waits once for the keys that several producers share, and its unknown key is refused after one fetch', async () => {
  const world = await start(bySubject);
  const { issuer, clock, jwt } = world;
  issuer.asked.length = 0;
  const waiting = identify(world, await issuer.sign({ aud: AUDIENCE, sub: 'c' }, { kid: 'unknown' }));
  await clock.pass(5_000);
  await settled(jwt, 2);
  expect(await waiting).toBe('401 nobody');
  expect(issuer.asked.filter((path) => path === '/jwks')).toHaveLength(1);
  await clock.pass(5_000);

  // A key that the fetch brings is the key for all of them.
  await issuer.rotate();
  const rotated = identify(world, await issuer.sign({ aud: AUDIENCE, sub: 'c' }));
  await clock.pass(5_000);
  await settled(jwt, 3);
  expect(await rotated).toBe('c');
  expect(issuer.asked.filter((path) => path === '/jwks')).toHaveLength(2);
});

it('a forged token costs one verification, however many producers its issuer has', async () => {
  const world = await start(bySubject);
  const { issuer } = world;
  const verify = vi.spyOn(Keys.prototype, 'verify');
  onTestFinished(() => verify.mockRestore());
  const own = await issuer.makeKey('ES256', issuer.keys[0]?.kid);
  expect(await identify(world, await issuer.sign({ aud: AUDIENCE, sub: 'c' }, {}, own))).toBe('401 nobody');
  expect(verify).toHaveBeenCalledTimes(1);
  expect(await identify(world, await issuer.sign({ aud: AUDIENCE, sub: 'c' }))).toBe('c');
  expect(verify).toHaveBeenCalledTimes(2);
});

it('the arrival of a request counts for each source of keys of its issuer, also for one that is asked later', async () => {
  const world = await start(({ issuer, producer }) => [producer('a'), producer('b', { jwks_url: issuer.jwksUrl })]);
  const { issuer, clock, jwt } = world;
  issuer.asked.length = 0;
  const [first] = jwt.keySets;
  const waiting = identify(world, await issuer.sign({ aud: AUDIENCE }, { kid: 'unknown' }));
  for (const { keySet } of jwt.keySets) if (keySet !== first?.keySet) keySet.fetchSoon();
  await clock.pass(5_000);
  expect(await waiting).toBe('401 nobody');
  expect(issuer.asked.filter((path) => path === '/jwks')).toHaveLength(2);
});

it('a request that waits while the configuration changes is judged by the new list, from its beginning', async () => {
  const world = await start(bySubject);
  const { issuer, clock, producer, set } = world;
  const token = await issuer.sign({ aud: AUDIENCE, sub: 'z' }, { kid: 'unknown' });
  const req = (): IncomingMessage => {
    const made = new IncomingMessage(new Socket());
    Object.assign(made.headers, { authorization: `Bearer ${token}`, 'x-key': 'k' });
    return made;
  };
  const waiting = [1, 2].map(async () => said(await world.producers.identify(req())));
  // The one that is right is now before that for which it waits.
  set([{ name: 'first', header: 'X-Key', bearer: { tokens: ['k'] } }, ...bySubject(world)]);
  await clock.pass(5_000);
  expect(await Promise.all(waiting)).toEqual(['first', 'first']);

  // The list gets shorter.
  set(bySubject(world));
  const shorter = world.producers.identify(req());
  set([producer('d')]);
  await clock.pass(5_000);
  expect(said(await shorter)).toBe('401 nobody');

  const open = world.producers.identify(req());
  set([]);
  await clock.pass(5_000);
  expect(said(await open)).toBe('503 nobody');
});
