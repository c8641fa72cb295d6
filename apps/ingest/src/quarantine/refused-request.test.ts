import { expect, test } from 'vitest';
import { refusedRequest } from './refused-request.ts';

const NO_SECRETS: ReadonlySet<string> = new Set();

function of(url: string, rawHeaders: string[] = [], secrets = NO_SECRETS) {
  return refusedRequest({ method: 'POST', url, rawHeaders }, null, 0, secrets);
}

test.each([
  ['/', '/', []],
  ['/a/b?code=s3cret&x=1&x=2&y=', '/a/b', ['code', 'x', 'x', 'y']],
  ['/a?s3cret', '/a', []],
  ['/a?a%20b=1&&=2?c=3', '/a', ['a%20b', '']],
  ['http://user:s3cret@host:8080/a?b=c', '/a', ['b']],
  ['HTTP://host', '/', []],
  ['*', '*', []],
])('of the target %s, only the path and the names of parameters are kept', (url, path, query) => {
  expect(of(url)).toMatchObject({ method: 'POST', path, query });
});

test('of the headers, those on the list are kept as they were sent, and no credentials', () => {
  const kept = [
    'Ce-Id',
    '1',
    'CE-X',
    'caf\xe9',
    'ce-x',
    'h\xc3\xa9',
    'Content-Type',
    'a/b',
    'Date',
    'd',
    'User-Agent',
    'u',
  ];
  const secret = [
    'Authorization',
    's',
    'Cookie',
    's',
    'X-Api-Key',
    's',
    'Ce-Key',
    's',
    'Host',
    'h',
    'X-Content-Type',
    's',
  ];
  const { headers } = of('/', [...secret, ...kept, 'traceparent', '00'], new Set(['ce-key']));
  expect(headers).toEqual([
    { name: 'Ce-Id', value: '1' },
    { name: 'CE-X', value_base64: Buffer.from('caf\xe9', 'latin1').toString('base64') },
    { name: 'ce-x', value: 'hé' },
    { name: 'Content-Type', value: 'a/b' },
    { name: 'Date', value: 'd' },
    { name: 'User-Agent', value: 'u' },
    { name: 'traceparent', value: '00' },
  ]);
});
