import { expect, it } from 'vitest';
import { dataOf, dataschemaOf } from './data-of.ts';
import { decodeMessage } from './decode-message.ts';

const HEADERS = ['Content-Type', 'application/cloudevents+json'];

/** The line of an event with these members. */
function line(members: string): string {
  const [decoded = ''] = decodeMessage(
    HEADERS,
    Buffer.from(`{"specversion":"1.0","id":"1","source":"/s","type":"t"${members}}`),
  );
  return decoded;
}

function binary(headers: readonly string[], body: string | Buffer): string {
  const attributes = ['ce-specversion', '1.0', 'ce-id', '1', 'ce-source', '/s', 'ce-type', 't'];
  const [decoded = ''] = decodeMessage([...attributes, ...headers], Buffer.from(body));
  return decoded;
}

it.each([
  ['', null],
  [',"dataschema":"https://s/a"', 'https://s/a'],
  [',"dataschema":"https://s/\\u00e9\\"b"', 'https://s/é"b'],
  [',"data\\u0073chema":"urn:a"', 'urn:a'],
  [' , "dataschema" : "urn:a" , "data" : { } ', 'urn:a'],
  [',"data":{"dataschema":"urn:inside"}', null],
  [',"subject":"\\"dataschema\\":\\"urn:text\\""', null],
  [',"data":["\\\\\\"",{"x":"}"}],"dataschema":"urn:a"', 'urn:a'],
  [',"dataschema":null', null],
])('the dataschema of an event with %s', (members, dataschema) => {
  expect(dataschemaOf(line(members))).toBe(dataschema);
});

it.each([
  ['', null],
  [',"data":{"a":[1,"}"]}', '{"a":[1,"}"]}'],
  [',"data":null', 'null'],
  [',"data":"text","datacontenttype":"application/json"', '"text"'],
  [',"data":"text","datacontenttype":"text/plain"', null],
  [',"data":"<a/>","datacontenttype":"application/xml"', null],
  [',"data":1,"datacontenttype":"application/vnd.x+json; charset=utf-8"', '1'],
  [',"data":1,"datacontenttype":null', '1'],
  [`,"data_base64":"${Buffer.from('{"b":1}').toString('base64')}","datacontenttype":"application/json"`, '{"b":1}'],
  [`,"data_base64":"${Buffer.from('{"b":').toString('base64')}","datacontenttype":"application/json"`, null],
  [',"data_base64":"/w==","datacontenttype":"application/json"', null],
  [`,"data_base64":"${Buffer.from('{"b":1}').toString('base64')}","datacontenttype":"application/avro"`, null],
])('the data of an event with %s', (members, data) => {
  expect(dataOf(line(members))).toBe(data);
});

it('events in binary mode', () => {
  const found = binary(['ce-dataschema', 'urn:a', 'content-type', 'application/json'], '{"a": 1}');
  expect([dataschemaOf(found), dataOf(found)]).toEqual(['urn:a', '{"a":1}']);
  expect(dataOf(binary(['content-type', 'application/json'], ''))).toBeNull();
  expect(dataOf(binary(['content-type', 'application/json'], '{'))).toBeNull();
  expect(dataOf(binary([], '[1]'))).toBe('[1]');
  expect(dataOf(binary(['content-type', 'text/plain'], '[1]'))).toBeNull();
});
