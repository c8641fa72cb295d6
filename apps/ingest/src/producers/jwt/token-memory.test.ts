import { expect, it } from 'vitest';
import { Keys } from './keys.ts';
import { type RememberedToken, TokenMemory } from './token-memory.ts';

const keys = (kid: string): Keys => new Keys([{ kty: 'EC', kid }]);

function token(of: Keys, expiresMs = 1_000): RememberedToken<string> {
  return { keys: of, expiresMs, verdicts: new Map([['a', { kind: 'known' }]]) };
}

it('remembers 10,000 tokens, and forgets the oldest at the next one', () => {
  const memory = new TokenMemory<string>();
  const published = keys('a');
  for (let n = 0; n < 10_001; n++) memory.remember(`token-${n}`, token(published));
  expect(memory.size).toBe(10_000);
  expect(memory.find('token-0', 0)).toBeNull();
  expect(memory.find('token-1', 0)?.verdicts.get('a')).toEqual({ kind: 'known' });
  expect(memory.find('token-10000', 0)).not.toBeNull();
});

it('forgets a token when it expires, and those of keys that are gone', () => {
  const memory = new TokenMemory<string>();
  const [first, second] = [keys('a'), keys('b')];
  memory.remember('short', token(first, 500));
  memory.remember('long', token(first));
  memory.remember('other', token(second));
  expect(memory.find('short', 499)).not.toBeNull();
  expect(memory.find('short', 500)).toBeNull();
  memory.forgetVerifiedWith(first);
  expect(memory.find('long', 0)).toBeNull();
  expect(memory.find('other', 0)).not.toBeNull();
  memory.forgetExpired(1_000);
  expect(memory.size).toBe(0);
});
