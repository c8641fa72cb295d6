import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttributeEncoding } from './attribute-encoding.ts';
import { fingerprint } from './fingerprint.ts';
import { decode, onTheWire, type Outcome } from './messages.fixture.ts';

type Attributes = Readonly<Record<string, string>>;

const REQUIRED: Attributes = { specversion: '1.0', id: '1', source: '/s', type: 't' };

/** Sends values as they are: what UTF-8 makes of them, one character per byte. */
function send(values: Attributes, attributeEncoding: AttributeEncoding = 'auto'): Outcome {
  const headers = Object.entries({ ...REQUIRED, ...values }).map(
    ([name, value]) => [`Ce-${name}`, onTheWire(value)] as const,
  );
  return decode(headers, '', { attributeEncoding });
}

function stored(outcome: Outcome): Attributes {
  if (!('map' in outcome)) throw new Error(outcome.message);
  return JSON.parse(outcome[0] ?? '') as Attributes;
}

describe('auto keeps what a sender that does not encode has sent', () => {
  it.each<[string, Attributes]>([
    ['an escaped slash in a source', { source: '/s/a%2Fb' }],
    ['an escaped space in a source', { source: '/s/a%20b' }],
    ['an escaped letter in a source', { source: '/s/caf%C3%A9' }],
    ['an escaped slash in a dataschema', { dataschema: 'https://x/a%2Fb' }],
    ['an escaped percent sign that ends a source', { source: '/100%25' }],
    ['Latin-1 in a subject', { subject: 'caf%E9' }],
    ['a line feed in a subject', { subject: 'k%0Ay' }],
    ['a zero in a subject', { subject: 'k%00y' }],
    ['an escaped DEL in a subject', { subject: '%7F' }],
    ['an escaped C1 control character in an id', { id: '%C2%85' }],
    ['an escaped noncharacter in an id', { id: '%EF%BF%BF' }],
    ['an escaped surrogate in an id', { id: '%ED%A0%80' }],
    ['overlong UTF-8 in an id', { id: '%C0%A0' }],
    ['an escaped letter that needs no escape', { id: '%41' }],
    ['a space beside an escape', { subject: 'a b%20c' }],
    ['a quote beside an escape', { subject: 'a"b%20c' }],
    ['a letter beyond ASCII beside an escape', { subject: 'é%C3%A9' }],
    ['a percent sign without digits beside an escape', { subject: '100%, %20' }],
    ['escapes in all attributes, if one shows it', { id: 'a%20b', subject: '%22', source: '/x%2Fy', ext: 'q%20r' }],
    ['an escape of what an extension holds, if the source shows it', { source: '/a%2Fb', ext: 'k%0Ay' }],
  ])('%s', (_name, values) => {
    expect(stored(send(values))).toEqual({ ...REQUIRED, ...values });
  });

  it.each(['xvanuseventbus', 'XVanusSTime', 'knativearrivaltime', 'Knativebroker'])(
    'all of a message with ce-%s, quotes too',
    (mark) => {
      const values = { id: 'a%20b', subject: '"quoted"', ext: '%41' };
      expect(stored(send({ ...values, [mark]: 'x' }))).toMatchObject(values);
      expect(stored(send({ [mark]: 'x', ...values }))).toMatchObject(values);
    },
  );
});

describe('auto decodes what a conforming encoder has made', () => {
  it.each<[string, Attributes, Attributes]>([
    ['a space', { id: 'a%20b' }, { id: 'a b' }],
    ['a quote and a percent sign', { subject: '%22%25' }, { subject: '"%' }],
    [
      'letters beyond ASCII, in either case',
      { subject: 'Euro%20%E2%82%aC%F0%9F%98%80%2541' },
      { subject: 'Euro €😀%41' },
    ],
    ['an escape of a URI', { source: '/s/a%252Fb' }, { source: '/s/a%2Fb' }],
    ['extensions, of which it does not ask', { ext: 'é%2Fx' }, { ext: 'é/x' }],
    ['a value that is quoted as a whole', { subject: '"a%20b"' }, { subject: 'a b' }],
  ])('%s', (_name, sent, text) => {
    expect(stored(send(sent))).toMatchObject(text);
  });
});

describe('attribute_encoding', () => {
  it('percent decodes every message', () => {
    const sent = { source: '/s/a%2Fb', subject: '"é%C3%A9 %zz"', xvanuseventbus: 'x' };
    expect(stored(send(sent, 'percent'))).toMatchObject({ source: '/s/a/b', subject: 'éé %zz' });
    expect(send({ subject: 'caf%E9' }, 'percent')).toMatchObject({ status: 400, code: 'utf8' });
    expect(send({ subject: 'k%0Ay' }, 'percent')).toMatchObject({ status: 400, code: 'attribute_value' });
  });

  it('raw decodes none, and keeps quotes', () => {
    const sent = { id: 'a%20b', source: '/s/a%252Fb', subject: '"a%20b"', ext: '%0A' };
    expect(stored(send(sent, 'raw'))).toMatchObject(sent);
  });

  it('auto unquotes also where it does not decode', () => {
    expect(stored(send({ subject: '"a \\"b\\" %20"' }))).toMatchObject({ subject: 'a "b" %20' });
  });

  it.each<AttributeEncoding>(['auto', 'percent', 'raw'])('%s refuses bytes that are not UTF-8', (encoding) => {
    const headers = Object.entries({ ...REQUIRED, subject: '\xfcn' }).map(
      ([name, value]) => [`ce-${name}`, value] as const,
    );
    expect(decode(headers, '', { attributeEncoding: encoding })).toMatchObject({ status: 400, code: 'utf8' });
  });
});

const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;
const anyText = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !FORBIDDEN.test(text));
/** With many of the characters that matter. */
const text = fc.oneof(
  anyText,
  fc
    .array(fc.constantFrom('%', '%2', '%20', '%2F', '%C3%A9', '%E9', ' ', '"', 'é', 'a', '\\'), {
      minLength: 1,
      maxLength: 6,
    })
    .map((parts) => parts.join('')),
);
/** What a URI holds: each percent sign begins an escape. */
const uri = fc
  .array(fc.constantFrom('/', 'a', 'b:', '?q=', '%20', '%2F', '%25', '%C3%A9', '~', '#'), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => parts.join(''));
const attributes = fc.record(
  { id: text, source: uri, type: text, subject: text, dataschema: uri, ext: text },
  { requiredKeys: ['id', 'source', 'type'] },
);

/** HTTP binding 1.0.2, section 3.1.3.2. */
function encode(values: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value.replace(/[^!#$&-~]/gu, encodeURIComponent)]),
  );
}

describe('for any event', () => {
  it('what a conforming encoder makes of it is decoded to the same', () => {
    fc.assert(
      fc.property(attributes, (event) => {
        for (const encoding of ['auto', 'percent'] as const) {
          expect(stored(send(encode(event), encoding))).toEqual({ ...REQUIRED, ...event });
        }
      }),
    );
  });

  it('what an SDK sends that does not encode is kept, unless a conforming encoder could have sent the same', () => {
    fc.assert(
      fc.property(attributes, (event) => {
        const { ext = '', ...deciding } = event;
        fc.pre(![ext, ...Object.values(deciding)].some((value) => /^".*"$/s.test(value)));
        fc.pre(!Object.entries(deciding).every(([name, value]) => mayBeEncoded(name, value)));
        expect(stored(send(event))).toEqual({ ...REQUIRED, ...event });
      }),
    );
  });

  it('raw keeps whatever was sent', () => {
    fc.assert(
      fc.property(attributes, (event) => {
        expect(stored(send(event, 'raw'))).toEqual({ ...REQUIRED, ...event });
      }),
    );
  });

  it('a redelivery with other extensions gives the same event', () => {
    fc.assert(
      fc.property(attributes, text, fc.boolean(), (event, ext, isEncoded) => {
        const sent = isEncoded ? encode(event) : event;
        const again = send({ ...sent, ext });
        if (!('map' in again)) return; // This extension is none.
        const first = send({ ...sent, ext: 'x' });
        expect({ ...stored(again), ext: 'x' }).toEqual(stored(first));
        const marks = [first, again].map((outcome) => ('map' in outcome ? fingerprint(outcome[0] ?? '') : null));
        expect(marks[1]).toEqual(marks[0]);
      }),
    );
  });
});

/** Whether a conforming encoder makes this value of some text that the attribute may have. */
function mayBeEncoded(name: string, value: string): boolean {
  try {
    const decoded = decodeURIComponent(value);
    const isUri = /^(?:[!#$&-~]|%[0-9a-f]{2})*$/i.test(decoded);
    const { encoded } = encode({ encoded: decoded });
    return encoded?.toLowerCase() === value.toLowerCase() && (isUri || !/^(?:source|dataschema)$/.test(name));
  } catch {
    return false;
  }
}
