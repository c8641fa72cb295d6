import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { type Clock, systemClock } from '@sink/runtime';
import { temporaryDirectory } from '@sink/testing';
import { expect, it, onTestFinished } from 'vitest';
import type { Verdict } from './credential.ts';
import { HmacCredential, type HmacSettings } from './hmac.ts';

const BODY = Buffer.from('{"specversion":"1.0","id":"1","source":"/s","type":"t"}');
const STRUCTURED = { 'Content-Type': 'application/cloudevents+json' };
const SECRET = `whsec_${randomBytes(24).toString('base64')}`;

type Fields = Record<string, string | string[]>;

/** Judges a request as ingest does: its head, and then its body if the head asks for that. */
function judge(
  fields: Fields,
  { scheme = 'standard-webhooks', secrets = [SECRET], body = BODY }: Options = {},
): string {
  const verdict: Verdict = credentialOf(scheme, secrets).check(request(fields));
  if (verdict.kind !== 'signed') return verdict.kind;
  return verdict.verify(body) ? 'known' : 'refused after the body';
}

function credentialOf(
  scheme: HmacSettings['scheme'],
  values: readonly string[],
  clock: Clock = systemClock,
): HmacCredential {
  return new HmacCredential({ kind: 'hmac', scheme, secrets: { values } }, { clock, troubleChanged: () => undefined });
}

interface Options {
  scheme?: HmacSettings['scheme'];
  secrets?: readonly string[];
  body?: Buffer;
}

function request(fields: Fields): IncomingMessage {
  const req = new IncomingMessage(new Socket());
  for (const [name, values] of Object.entries(fields)) {
    for (const value of [values].flat()) {
      req.rawHeaders.push(name, value);
      req.headers[name.toLowerCase()] = value;
    }
  }
  return req;
}

function standard({ secret = SECRET, id = 'msg_1', atSeconds = Date.now() / 1000, body = BODY } = {}) {
  const timestamp = String(Math.floor(atSeconds));
  return {
    ...STRUCTURED,
    'Webhook-Id': id,
    'Webhook-Timestamp': timestamp,
    'Webhook-Signature': `v1,${signature(secret, `${id}.${timestamp}.`, body)}`,
  };
}

function signature(secret: string, prefix: string, body: Buffer): string {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  return createHmac('sha256', key).update(prefix).update(body).digest('base64');
}

function github(secret = 'plain text', body = BODY): Fields {
  const hex = createHmac('sha256', secret).update(body).digest('hex');
  return { ...STRUCTURED, 'X-Hub-Signature-256': `sha256=${hex}` };
}

it('knows the example of the Standard Webhooks specification', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const body = Buffer.from('{"test": 2432232314}');
  const headers = {
    ...STRUCTURED,
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  };
  const clock = { ...systemClock, wallMs: () => 1_614_265_330_000 };
  const verdict = credentialOf('standard-webhooks', [secret], clock).check(request(headers));
  expect(verdict.kind === 'signed' && verdict.verify(body)).toBe(true);
});

it("knows the example of GitHub's documentation", () => {
  const headers = {
    ...STRUCTURED,
    'X-Hub-Signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  };
  const options = { scheme: 'github', secrets: ["It's a Secret to Everybody"] } as const;
  expect(judge(headers, { ...options, body: Buffer.from('Hello, World!') })).toBe('known');
});

it('a signature of Standard Webhooks covers id, time and body', () => {
  expect(judge(standard())).toBe('known');
  expect(judge(standard(), { body: Buffer.from('{}') })).toBe('refused after the body');
  expect(judge({ ...standard(), 'Webhook-Id': 'msg_2' })).toBe('refused after the body');
  const later = String(Math.floor(Date.now() / 1000) + 1);
  expect(judge({ ...standard(), 'Webhook-Timestamp': later })).toBe('refused after the body');
  expect(judge(standard({ secret: `whsec_${randomBytes(24).toString('base64')}` }))).toBe('refused after the body');
});

it('a signature older or newer than five minutes is refused before the body is read', () => {
  const nowSeconds = Date.now() / 1000;
  for (const seconds of [-290, 290]) expect(judge(standard({ atSeconds: nowSeconds + seconds }))).toBe('known');
  for (const seconds of [-310, 310]) expect(judge(standard({ atSeconds: nowSeconds + seconds }))).toBe('none');
});

it('one of several signatures and one of several secrets is enough', () => {
  const other = randomBytes(24).toString('base64');
  const { 'Webhook-Signature': good, ...rest } = standard();
  const wrong = `v1,${randomBytes(32).toString('base64')}`;
  expect(judge({ ...rest, 'Webhook-Signature': `v1a,${randomBytes(64).toString('base64')} ${wrong} ${good}` })).toBe(
    'known',
  );
  expect(judge(standard(), { secrets: [other, SECRET] })).toBe('known');
  // Without its prefix, and a secret that is none.
  expect(judge(standard(), { secrets: ['not base64!', SECRET.replace('whsec_', '')] })).toBe('known');
  expect(judge(standard(), { secrets: [] })).toBe('refused after the body');
  const tooMany = Array.from({ length: 10 }, () => wrong).join(' ');
  expect(judge({ ...rest, 'Webhook-Signature': `${tooMany} ${good}` })).toBe('refused after the body');
});

it.each<[what: string, change: Fields]>([
  ['no id', { 'Webhook-Id': [] }],
  ['no time', { 'Webhook-Timestamp': [] }],
  ['no signature', { 'Webhook-Signature': [] }],
  ['a time that is none', { 'Webhook-Timestamp': '2026-11-29' }],
  ['a signature of another version', { 'Webhook-Signature': `v2,${randomBytes(32).toString('base64')}` }],
  ['a signature of another length', { 'Webhook-Signature': `v1,${randomBytes(31).toString('base64')}` }],
])('a request with %s is refused before its body is read', (_what, change) => {
  expect(judge({ ...standard(), ...change })).toBe('none');
});

it('a field that is given twice is said to be', () => {
  const twice = (value: string): string[] => [value, value];
  for (const name of ['Webhook-Id', 'Webhook-Timestamp', 'Webhook-Signature'] as const) {
    const verdict = credentialOf('standard-webhooks', [SECRET]).check(
      request({ ...standard(), [name]: twice(standard()[name]) }),
    );
    expect(verdict).toEqual({ kind: 'twice', what: `the header ${name}` });
  }
  const { 'X-Hub-Signature-256': right } = github();
  expect(judge({ ...github(), 'X-Hub-Signature-256': twice(String(right)) }, { scheme: 'github' })).toBe('twice');
});

it('says how many secrets are none', () => {
  expect(credentialOf('standard-webhooks', [SECRET]).trouble).toBeNull();
  expect(credentialOf('standard-webhooks', [SECRET, 'not base64!']).trouble).toMatch(/^1 of its secrets are no base64/);
  expect(credentialOf('github', ['not base64!']).trouble).toBeNull();
});

it('a secret without bytes, or with few, verifies nothing: not even what is signed with the same', () => {
  for (const secret of ['A', 'whsec_A', 'whsec_', '==', randomBytes(15).toString('base64')]) {
    const credential = credentialOf('standard-webhooks', [secret]);
    expect(credential.trouble, secret).toBe('1 of its secrets are no base64 of at least 16 bytes, and verify nothing');
    expect(judge(standard({ secret }), { secrets: [secret] }), secret).toBe('refused after the body');
  }
  for (const secret of ['', ' ', '\t']) {
    expect(credentialOf('github', [secret]).trouble).toBe('1 of its secrets are empty, and verify nothing');
    expect(judge(github(''), { scheme: 'github', secrets: [secret] })).toBe('refused after the body');
  }
  const short = randomBytes(16).toString('base64');
  expect(judge(standard({ secret: short }), { secrets: [short] })).toBe('known');
});

it('the lines of a file are judged as secrets are, and the message names the file', () => {
  const file = join(temporaryDirectory('hmac'), 'secrets');
  writeFileSync(file, `whsec_A\n${SECRET}\n`);
  const settings: HmacSettings = { kind: 'hmac', scheme: 'standard-webhooks', secrets: { file } };
  const credential = new HmacCredential(settings, { clock: systemClock, troubleChanged: () => undefined });
  onTestFinished(() => credential.close());
  expect(credential.trouble).toBe(`${file}: 1 of its secrets are no base64 of at least 16 bytes, and verify nothing`);
  const accepts = (secret: string): boolean => {
    const verdict = credential.check(request(standard({ secret })));
    return verdict.kind === 'signed' && verdict.verify(BODY);
  };
  expect([accepts('A'), accepts(SECRET)]).toEqual([false, true]);
});

it('GitHub signs the body alone, with the text of the secret', () => {
  const scheme = 'github';
  expect(judge(github(), { scheme, secrets: ['old', 'plain text'] })).toBe('known');
  expect(judge(github('other'), { scheme, secrets: ['plain text'] })).toBe('refused after the body');
  expect(judge(github(), { scheme, secrets: ['plain text'], body: Buffer.from('{}') })).toBe('refused after the body');
  const { 'X-Hub-Signature-256': right } = github();
  const wrong = [[], 'sha256=', 'sha1=0123', `sha512=${String(right).slice(7)}`];
  for (const value of wrong) expect(judge({ ...github(), 'X-Hub-Signature-256': value }, { scheme })).toBe('none');
});

it('a signed event in binary mode is forbidden, because its attributes are not signed', () => {
  for (const type of ['application/json', 'text/plain', []]) {
    const inHeaders = { 'Content-Type': type, 'Ce-Id': '1' };
    expect(judge({ ...standard(), ...inHeaders })).toBe('forbidden');
    expect(judge({ ...github(), ...inHeaders }, { scheme: 'github', secrets: ['plain text'] })).toBe('forbidden');
    // Without a signature it is a stranger's.
    expect(judge(inHeaders)).toBe('none');
    // Its body has all that there is: lenient_content_type may take it.
    expect(judge({ ...standard(), 'Content-Type': type })).toBe('known');
  }
  const batch = { ...standard(), 'Content-Type': 'Application/CloudEvents-Batch+JSON; charset=utf-8', 'Ce-Id': '1' };
  expect(judge(batch)).toBe('known');
});
