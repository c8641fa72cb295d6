import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { JwtSettings } from '@sink/config';
import { startTokenIssuer, type TokenIssuer } from '@sink/testing';
import { expect, onTestFinished } from 'vitest';
import type { Credential } from '../producers/credential.ts';
import { JwtCredentials } from '../producers/jwt/jwt-credentials.ts';
import { ManualClock } from './manual-clock.ts';

export const AUDIENCE = 'sink-aws-s3';

export type Values = Readonly<Record<string, unknown>>;

export interface World {
  readonly issuer: TokenIssuer;
  readonly clock: ManualClock;
  readonly jwt: JwtCredentials;
  readonly settings: JwtSettings;
  /** The only credential. */
  readonly credential: Credential;
  readonly sign: (claims?: Values, header?: Values) => Promise<string>;
  /** The kind of the verdict on a token. */
  readonly check: (token: string) => Promise<string>;
}

export async function start(more: Partial<JwtSettings> = {}, isAway = false): Promise<World> {
  const issuer = await startTokenIssuer();
  onTestFinished(() => issuer.close());
  issuer.isAway = isAway;
  const clock = new ManualClock();
  const jwt = new JwtCredentials({ clock, proxy: null, troubleChanged: () => undefined });
  const settings = settingsFor(issuer, more);
  const credential = jwt.make(settings);
  onTestFinished(() => credential.close?.());
  await settled(jwt);
  return {
    issuer,
    clock,
    jwt,
    settings,
    credential,
    sign: (claims = {}, header = {}) => issuer.sign({ aud: AUDIENCE, sub: 'me', ...claims }, header),
    check: async (token) => (await credential.check(bearer(token))).kind,
  };
}

export function settingsFor(issuer: TokenIssuer, more: Partial<JwtSettings> = {}): JwtSettings {
  return {
    kind: 'jwt',
    issuer: issuer.url,
    audiences: [AUDIENCE],
    jwksUrl: null,
    jwksCaFile: null,
    jwksTokenFile: null,
    algorithms: ['RS256', 'ES256', 'EdDSA', 'PS256'],
    subjects: null,
    claims: {},
    ...more,
  };
}

export function bearer(token: string): IncomingMessage {
  return withAuthorization(`Bearer ${token}`);
}

export function withAuthorization(value: string): IncomingMessage {
  const req = new IncomingMessage(new Socket());
  req.headers.authorization = value;
  return req;
}

/** Waits until the fetches that have begun have ended. */
export async function settled(jwt: JwtCredentials, fetches = 1): Promise<void> {
  const ended = (): boolean =>
    [...jwt.keySets].every(({ keySet }) => keySet.counts.success + keySet.counts.failure >= fetches);
  await expect.poll(ended, { interval: 2, timeout: 5_000 }).toBe(true);
}

export const seconds = (): number => Math.floor(Date.now() / 1000);
