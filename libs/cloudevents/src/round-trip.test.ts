import { CloudEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, decodeBatchText, decodeBinaryWith, onTheWire, REQUIRED_LINE } from './messages.fixture.ts';
import type { Outcome } from './messages.fixture.ts';

const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

/** Any string that an attribute may have. */
const attributeText = fc.string({ unit: 'binary' }).filter((text) => !FORBIDDEN.test(text));
/** What the SDK can put into a header as it is. */
const headerText = fc.stringMatching(/^[!#$&-[\]-~]([ !#$&-[\]-~]*[!#$&-[\]-~])?$/);
/** Without those that the SDK itself has another use for. */
const extensionName = fc
  .stringMatching(/^[a-z0-9]{1,24}$/)
  .filter(
    (name) =>
      !/^(specversion|id|source|type|subject|time|data|dataschema|datacontenttype|schemaurl|validate|emit|constructor)$/.test(
        name,
      ),
  );
const extensionValue = fc.oneof(headerText, fc.boolean(), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
const time = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });

const eventOfTheSdk = fc
  .record(
    {
      id: headerText,
      source: fc.webUrl({ withQueryParameters: true }).filter((url) => !/%25[0-9a-f]{2}/i.test(url)),
      type: headerText,
      subject: headerText,
      time: time.map((date) => date.toISOString()),
      extensions: fc.dictionary(extensionName, extensionValue, { maxKeys: 8 }),
      content: fc.oneof(
        fc.jsonValue().map((value) => ({ datacontenttype: 'application/json', data: { value: value as object } })),
        fc.string({ unit: 'binary', minLength: 1 }).map((data) => ({ datacontenttype: 'text/plain', data })),
        fc.uint8Array({ minLength: 1 }).map((data) => ({ datacontenttype: 'application/octet-stream', data })),
      ),
    },
    { requiredKeys: ['id', 'source', 'type', 'extensions', 'content'] },
  )
  .map(({ extensions, content, ...core }) => new CloudEvent<unknown>({ ...extensions, ...core, ...content }));

/** The SDK's message, as a node:http server gets it. */
function send(message: { headers: Record<string, unknown>; body: unknown }): Outcome {
  const headers = Object.entries(message.headers).map(([name, value]) => [name, String(value)] as const);
  const { body } = message;
  return decode(headers, body instanceof Uint8Array ? Buffer.from(body) : String(body));
}

function parsed(outcome: Outcome): unknown[] {
  if (!('map' in outcome)) throw new Error(outcome.message);
  for (const line of outcome) expect(line).not.toMatch(/[\r\n]/);
  return outcome.map((line) => JSON.parse(line) as unknown);
}

/** In headers all extensions are strings. */
function withTextExtensions(event: unknown): unknown {
  return Object.fromEntries(
    Object.entries(event as object).map(([name, value]) => [
      name,
      name === 'data' ? (value as unknown) : String(value),
    ]),
  );
}

function plain(event: CloudEvent<unknown>): unknown {
  return JSON.parse(JSON.stringify(event));
}

describe('what the CloudEvents SDK sends arrives as the event it was', () => {
  it('in binary mode', () => {
    fc.assert(
      fc.property(eventOfTheSdk, (event) => {
        const [received] = parsed(send({ ...HTTP.binary(event) }));
        expect(received).toEqual(withTextExtensions(plain(event)));
      }),
    );
  });

  it('in structured mode', () => {
    fc.assert(
      fc.property(eventOfTheSdk, (event) => {
        const message = HTTP.structured(event);
        expect(send({ ...message })).toEqual([message.body]);
        expect(parsed(send({ ...message }))).toEqual([plain(event)]);
      }),
    );
  });

  it('in batched mode', () => {
    fc.assert(
      fc.property(fc.array(eventOfTheSdk, { maxLength: 8 }), fc.constantFrom(undefined, 2), (events, indent) => {
        const lines = events.map((event) => JSON.stringify(event));
        expect(decodeBatchText(JSON.stringify(events, null, indent))).toEqual(lines);
      }),
    );
  });
});

describe('any text of an attribute survives a header', () => {
  function subjectOf(raw: string): unknown {
    const [event] = parsed(decodeBinaryWith([['ce-ext', raw]]));
    return (event as { ext: unknown }).ext;
  }

  it('percent-encoded as the specification says', () => {
    fc.assert(
      fc.property(attributeText, (text) => {
        expect(subjectOf(text.replace(/[^!#$&-~]/gu, encodeURIComponent))).toBe(text);
      }),
    );
  });

  it('as raw UTF-8, as Go sends it', () => {
    const unambiguous = attributeText.filter((text) => !/%[0-9a-f]{2}/i.test(text) && !/^".*"$/s.test(text));
    fc.assert(
      fc.property(unambiguous, (text) => {
        expect(subjectOf(onTheWire(text))).toBe(text);
      }),
    );
  });

  it('in quotes, as older versions of the specification had it', () => {
    fc.assert(
      fc.property(attributeText, (text) => {
        const escaped = text.replace(/["\\]/g, '\\$&').replace(/%/g, '%25');
        expect(subjectOf(onTheWire(`"${escaped}"`))).toBe(text);
      }),
    );
  });
});

describe('data survives to the byte', () => {
  it('as JSON', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const lines = [`${REQUIRED_LINE},"datacontenttype":"application/json","data":${json}}`];
        expect(decodeBinaryWith([['Content-Type', 'application/json']], json)).toEqual(lines);
      }),
    );
  });

  it('as bytes that nothing is declared of', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        const [event] = parsed(decodeBinaryWith([['Content-Type', 'text/plain']], Buffer.from(bytes)));
        const { data, data_base64: base64 } = event as { data?: string; data_base64?: string };
        const kept = data === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(data);
        expect(kept.equals(bytes)).toBe(true);
      }),
    );
  });
});
