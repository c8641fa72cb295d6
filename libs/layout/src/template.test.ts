import { describe, expect, test } from 'vitest';
import { compileLayout } from './layout.ts';
import { parseTemplate } from './template.ts';

test('a template is text, times and values', () => {
  expect(parseTemplate('tenant={ext.tenant|none}/{data:/a~1b/0|x}/dt={time:%Y-%m-%d}')).toEqual([
    { kind: 'text', text: 'tenant=' },
    { kind: 'value', variable: { written: 'ext.tenant', kind: 'attribute', name: 'tenant' }, fallback: 'none' },
    { kind: 'text', text: '/' },
    { kind: 'value', variable: { written: 'data:/a~1b/0', kind: 'data', name: '/a~1b/0' }, fallback: 'x' },
    { kind: 'text', text: '/dt=' },
    { kind: 'time', format: '%Y-%m-%d' },
  ]);
});

const compile = (path: string) => compileLayout({ path, timeInterval: 'HOURLY', timeZone: 'UTC' });

describe('each mistake is named with its place', () => {
  test.each([
    ['', 'not empty', 1],
    ['{type}/a', 'begins with text or time', 1],
    ['a/{type', 'a { without }', 3],
    ['a/}', 'text outside of braces', 3],
    ['a b', 'text outside of braces', 2],
    ['a/%Y', 'text outside of braces', 3],
    ['a/~b', 'text outside of braces', 3],
    ['é', 'text outside of braces', 1],
    ['a/{id}', 'time:FORMAT, type', 4],
    ['a/{Type}', 'time:FORMAT, type', 4],
    ['a/{ext.Tenant|x}', 'extension attribute', 8],
    ['a/{ext.|x}', 'extension attribute', 8],
    ['a/{ext.source}', 'extension attribute', 8],
    ['a/{ext.data|x}', 'extension attribute', 8],
    ['a/{data:|x}', 'JSON Pointer', 9],
    ['a/{data:order|x}', 'JSON Pointer', 9],
    ['a/{data:/a~2|x}', 'JSON Pointer', 9],
    ['a/{subject}', 'not every event has subject', 4],
    ['a/{ext.tenant}', '{ext.tenant|none}', 4],
    ['a/{data:/x}', 'needs a default', 4],
    ['a/{type|}', 'a default has', 9],
    ['a/{type|a/b}', 'a default has', 9],
    ['a/{type|é}', 'a default has', 9],
    ['a/{time:}', 'at least one of %Y', 9],
    ['a/{time:Y}', 'at least one of %Y', 9],
    ['a/{time:%y}', '% is followed by', 10],
    ['a/{time:%Y %m}', 'a format has only', 11],
    ['a/{type}{source}', 'between {source}', 1],
    ['a/{type}-{source}', 'between {source}', 1],
    ['a/{type}-{time:%Y}-{source}', 'between {source}', 1],
    ['/a', 'no segment', 1],
    ['a/', 'no segment', 1],
    ['a//b', 'no segment', 1],
    ['a/../b', 'no segment', 1],
    ['./a', 'no segment', 1],
    ['a/{type|..}', 'no segment', 1],
    ['a/.{type|.}', 'no segment', 1],
    ['late/{type}', 'late/', 1],
    ['other', 'other/', 1],
    ['ot{type}', 'other/', 1],
    ['_a/b', 'begin with _', 1],
  ])('%s', (template, message, position) => {
    expect(() => compile(template)).toThrow(message);
    expect(() => compile(template)).toThrow(expect.objectContaining({ position }));
  });
});

test.each([
  'a/{type}={source}',
  'a/{type}/{source}',
  'a/{type}+{time:%H}',
  '{time:%Y%m%d}-{type}-{time:%H}',
  'later/{type}',
  'a/{type|.}x',
])('%s is a template', (template) => {
  expect(() => compile(template)).not.toThrow();
});
