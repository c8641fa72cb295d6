import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@sink/config';
import { temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { checkProducerFiles, producersInWords } from './check-producers.ts';
import { tryCredentials } from './try-credentials.ts';

const producersOf = (producers: readonly object[]) =>
  loadConfig({ env: {}, overrides: { producers }, readText: () => 'missing' }).producers;
const AT = 'http://sink:8080/events?a=1';

const file = join(temporaryDirectory('try'), 'tokens');
writeFileSync(file, '\nt-1\nt-2\n');

test('try shows the secret of the first producer that may send any event, else of one that may send some', () => {
  const jwt = { name: 'j', jwt: { issuer: 'https://i', audience: 'a' } };
  const limited = { name: 'l', bearer: { tokens: ['t'] }, only: { types: ['x'] } };
  const of = (...producers: object[]) => tryCredentials(AT, [], producersOf(producers));
  expect(of(jwt, limited, { name: 'b', basic: { user: 'u', password: 'p' } })).toEqual({
    address: AT,
    headers: { Authorization: 'Basic dTpw' },
    producer: 'b',
  });
  expect(of(jwt, limited)).toMatchObject({ headers: { Authorization: 'Bearer t' }, producer: 'l' });
  expect(of({ name: 'f', header: 'X-Key', bearer: { tokens_file: file } })).toMatchObject({
    headers: { 'X-Key': 't-1' },
  });
  expect(of({ name: 'q', query: { parameter: 'code', tokens: ['a+b='] } })).toMatchObject({
    address: 'http://sink:8080/events?a=1&code=a%2Bb%3D',
  });
  expect(of({ name: 'f', bearer: { tokens_file: `${file}.none` } }, jwt)).toEqual({
    address: AT,
    headers: {},
    producer: null,
  });
  expect(tryCredentials(AT, ['A: b:c', 'D:e'], producersOf([limited]))).toEqual({
    address: AT,
    headers: { A: 'b:c', D: 'e' },
    producer: null,
  });
});

test('check says who may send, and which files are missing or empty', () => {
  expect(producersInWords([])).toBe('whoever reaches the port: there are no producers');
  const empty = `${file}.empty`;
  writeFileSync(empty, '\n');
  const producers = producersOf([
    { name: 'a', bearer: { tokens_file: `${file}.none` }, limits: { events_per_second: 1 } },
    { name: 'b', query: { parameter: 'code', tokens_file: empty }, only: { types: ['x'] } },
    { name: 'c', bearer: { tokens_file: file } },
  ]);
  expect(producersInWords(producers)).toBe(
    'a (bearer token, with limits); b (token in the parameter code, some types or sources only); c (bearer token)',
  );
  expect(checkProducerFiles(producers)).toEqual({
    problems: [`a: ${file}.none does not exist`],
    warnings: [`b: ${empty} is empty; it lets nobody in`],
  });
});
