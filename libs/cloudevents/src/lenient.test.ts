import { describe, expect, test } from 'vitest';
import { decodeMessage } from './decode-message.ts';
import { DEFAULT_DECODING } from './decoding.ts';
import { MessageError } from './message-error.ts';

const EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}';
const OTHER = EVENT.replace('"1"', '"2"');

function decoded(lenientContentType: boolean, rawHeaders: readonly string[], body = EVENT): readonly string[] | string {
  try {
    return decodeMessage(rawHeaders, Buffer.from(body), { ...DEFAULT_DECODING, lenientContentType });
  } catch (error) {
    if (error instanceof MessageError) return `${error.status} ${error.message}`;
    throw error;
  }
}

describe('a CloudEvent in JSON without a Content-Type of CloudEvents and without ce- headers', () => {
  test.each([
    [['Content-Type', 'application/json']],
    [['Host', 'h', 'content-type', 'Application/JSON; charset=UTF-8']],
  ])('%j: taken as structured if that is configured', (headers) => {
    expect(decoded(true, headers)).toEqual([EVENT]);
    expect(decoded(true, headers, ` \n ${EVENT}`)).toEqual([EVENT]);
  });

  test('an array is a batch', () => {
    expect(decoded(true, ['Content-Type', 'application/json'], `\t[${EVENT}, ${OTHER}]`)).toEqual([EVENT, OTHER]);
    expect(decoded(true, ['Content-Type', 'application/json'], '[]')).toEqual([]);
  });

  test('what is wrong in it is named as in structured mode', () => {
    expect(decoded(true, ['Content-Type', 'application/json'], '{"id":"1"}')).toMatch(/^400 .*missing/);
    expect(decoded(true, ['Content-Type', 'application/json'], '{"id"')).toMatch(/^400 .*JSON/);
    expect(decoded(true, ['Content-Type', 'application/json'], '')).toMatch(/^400 /);
  });

  test.each([
    [false, ['Content-Type', 'application/json'], '"application/json"'],
    [false, [], 'no Content-Type'],
    [true, [], 'no Content-Type'],
    [true, ['Content-Type', 'text/plain'], '"text/plain"'],
    [true, ['Content-Type', 'application/json; charset=utf-16'], '"application/json; charset=utf-16"'],
  ])('lenient %j, %j: the 400 names the Content-Types that are taken', (lenient, headers, given) => {
    const answer = decoded(lenient, headers);
    expect(answer).toContain(`400 `);
    expect(answer).toContain(given);
    expect(answer).toContain('application/cloudevents+json, a batch application/cloudevents-batch+json');
  });

  test('one ce- header makes it binary mode, where the other attributes are missing', () => {
    expect(decoded(true, ['Content-Type', 'application/json', 'CE-Id', '1'])).toMatch(/^400 attribute .* is missing/);
  });
});
