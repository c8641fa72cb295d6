import type { JwtSettings } from '@sink/config';
import type { TokenHead } from './token.ts';

type Claims = TokenHead['claims'];
type Scalar = string | number | boolean;

/** Which tokens a producer sends: part of its settings. */
export type TokenRule = Pick<JwtSettings, 'issuer' | 'audiences' | 'algorithms' | 'subjects' | 'claims'>;

/** How far the clocks of issuer and sink may differ. */
export const CLOCK_TOLERANCE_MS = 60_000;

/** When the token expires, with the tolerance; null: it says no time. Wall clock, in milliseconds. */
export function expiryMs({ exp }: Claims): number | null {
  return typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 + CLOCK_TOLERANCE_MS : null;
}

/** Whether a token is for us, and now. Asked before a key is looked for. */
export function isFor(rule: TokenRule, { algorithm, claims }: TokenHead, nowMs: number): boolean {
  const { iss, aud, nbf } = claims;
  const untilMs = expiryMs(claims);
  return (
    rule.algorithms.some((allowed) => allowed === algorithm) &&
    iss === rule.issuer &&
    hasOne(aud, rule.audiences) &&
    untilMs !== null &&
    nowMs < untilMs &&
    (nbf === undefined || (typeof nbf === 'number' && nbf * 1000 <= nowMs + CLOCK_TOLERANCE_MS))
  );
}

/** Why a token of the right issuer is not the producer's, in words without its values; null: it is the producer's. */
export function whyForbidden({ subjects, claims: required }: TokenRule, claims: Claims): string | null {
  if (subjects !== null && !isAmong(claims['sub'], subjects)) return 'the token has another subject';
  for (const [name, values] of Object.entries(required)) {
    const given = Object.hasOwn(claims, name) ? claims[name] : undefined;
    if (!hasOne(given, values)) return `the token lacks the claim ${name}, or has another value of it`;
  }
  return null;
}

/** A claim that is a list has to contain one of the values. */
function hasOne(given: unknown, wanted: readonly Scalar[]): boolean {
  return Array.isArray(given) ? given.some((one) => isAmong(one, wanted)) : isAmong(given, wanted);
}

/** Compares as text: in YAML, an id of digits is a number. */
function isAmong(given: unknown, wanted: readonly Scalar[]): boolean {
  return isScalar(given) && wanted.some((value) => String(value) === String(given));
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
