import { expect, test } from 'vitest';
import { decode, decodeBinaryWith, type Outcome } from './messages.fixture.ts';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const JSON_FORMAT = [['Content-Type', 'application/cloudevents+json']] as const;
const BATCH_FORMAT = [['Content-Type', 'application/cloudevents-batch+json']] as const;

/** What is told of the message that `read` decodes. */
function told(read: (traceparent: (value: string, index: number) => void) => Outcome): [number, string][] {
  const found: [number, string][] = [];
  expect(read((value, index) => void found.push([index, value]))).toBeInstanceOf(Array);
  return found;
}

const event = (members: string): string => `{"specversion":"1.0","id":"1","source":"/s","type":"t"${members}}`;
const structured = (members: string) => told((traceparent) => decode(JSON_FORMAT, event(members), { traceparent }));
const batch = (...events: string[]) =>
  told((traceparent) => decode(BATCH_FORMAT, `[${events.map(event).join()}]`, { traceparent }));

test('the extension traceparent is told in every content mode', () => {
  const header = [['ce-TraceParent', TRACEPARENT]] as const;
  expect(told((traceparent) => decodeBinaryWith(header, '', { traceparent }))).toEqual([[0, TRACEPARENT]]);
  expect(structured(`,"traceparent":"${TRACEPARENT}"`)).toEqual([[0, TRACEPARENT]]);
  expect(batch('', `,"traceparent":"a"`, '', `,"traceparent":"b"`)).toEqual([
    [1, 'a'],
    [3, 'b'],
  ]);
});

test('also where the message is not plain, and then once', () => {
  expect(structured(`,"subject":"\\u00e9","traceparent":"${TRACEPARENT}"`)).toEqual([[0, TRACEPARENT]]);
  expect(batch(`,"traceparent":"a"`, `,"traceparent":"b"`, `,"subject":"\\u00e9"`)).toEqual([
    [0, 'a'],
    [1, 'b'],
  ]);
});

test('nothing else is told: data, other names, values that are no strings', () => {
  expect(structured(`,"data":{"traceparent":"${TRACEPARENT}"}`)).toEqual([]);
  expect(structured(`,"traceparents":"x","mytraceparent":"x","tracestate":"x"`)).toEqual([]);
  expect(structured(`,"traceparent":true`)).toEqual([]);
  expect(structured(`,"traceparent":null`)).toEqual([]);
  expect(structured(`,"traceparent":7`)).toEqual([]);
});
