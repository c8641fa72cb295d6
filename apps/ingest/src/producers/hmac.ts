import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { CredentialSettings } from '@sink/config';
import type { Clock } from '@sink/runtime';
import { type Credential, NONE, type Verdict } from './credential.ts';
import { SecretLines, type SecretLinesPorts } from './secret-lines.ts';

export interface HmacPorts extends SecretLinesPorts {
  readonly clock: Pick<Clock, 'sleep' | 'wallMs'>;
}

export type HmacSettings = Extract<CredentialSettings, { kind: 'hmac' }>;
type HmacScheme = HmacSettings['scheme'];

/** What the header fields of a signed request say. */
interface Signed {
  /** What is signed before the body. */
  readonly prefix: string;
  /** One of them has to be right: a sender that changes its secret signs with both. */
  readonly signatures: readonly Buffer[];
}

interface Twice {
  readonly twice: string;
}

const WEBHOOK_FIELDS = ['Webhook-Id', 'Webhook-Timestamp', 'Webhook-Signature'];
const GITHUB_FIELD = 'X-Hub-Signature-256';
const BINARY: Verdict = {
  kind: 'forbidden',
  message:
    'a signature covers the body alone, so signed requests send structured or batched events: Content-Type application/cloudevents+json or application/cloudevents-batch+json',
};
/** How old or new a signature of Standard Webhooks may be. */
const SIGNATURE_AGE_MS_MAX = 300_000;
const SIGNATURES_MAX = 10;
const SHA256_BYTES = 32;
const SECRET_PREFIX = 'whsec_';
/** The specification says 24 to 64; some senders make shorter ones. */
const WEBHOOK_KEY_BYTES_MIN = 16;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/**
 * A producer that signs the body of each request, as it is sent: before Content-Encoding is removed. Its header fields are
 * judged before the body is read.
 */
export class HmacCredential implements Credential {
  /** No registered scheme says it; RFC 9110, section 15.5.2, wants one in each 401. */
  readonly challenge = 'Signature realm="sink-aws-s3"';
  readonly #scheme: HmacScheme;
  /** Where its secrets come from, for a message about them. */
  readonly #origin: string;
  readonly #secrets: SecretLines;
  readonly #clock: Pick<Clock, 'wallMs'>;
  #keys: readonly Buffer[] = [];
  #unusable = 0;

  constructor({ scheme, secrets }: HmacSettings, ports: HmacPorts) {
    this.#scheme = scheme;
    this.#origin = 'file' in secrets ? `${secrets.file}: ` : '';
    this.#clock = ports.clock;
    this.#secrets = new SecretLines(secrets, ports, (lines) => {
      this.#keys = lines.map((line) => keyOf(scheme, line)).filter((key) => key !== null);
      this.#unusable = lines.length - this.#keys.length;
    });
  }

  get trouble(): string | null {
    if (this.#secrets.trouble !== null) return this.#secrets.trouble;
    if (this.#unusable === 0) return null;
    const what = this.#scheme === 'github' ? 'empty' : `no base64 of at least ${WEBHOOK_KEY_BYTES_MIN} bytes`;
    return `${this.#origin}${this.#unusable} of its secrets are ${what}, and verify nothing`;
  }

  check(req: IncomingMessage): Verdict {
    const signed = this.#scheme === 'github' ? signedByGithub(req) : signedAsWebhook(req, this.#clock.wallMs());
    if (signed === null) return NONE;
    if ('twice' in signed) return { kind: 'twice', what: `the header ${signed.twice}` };
    if (isBinary(req)) return BINARY;
    return { kind: 'signed', verify: (body) => this.#isRight(signed, body) };
  }

  close(): void {
    this.#secrets.close();
  }

  /** Compares all signatures with all secrets, so that the time says nothing about them. */
  #isRight({ prefix, signatures }: Signed, body: Buffer): boolean {
    let isRight = false;
    for (const key of this.#keys) {
      const right = createHmac('sha256', key).update(prefix).update(body).digest();
      for (const signature of signatures) isRight = timingSafeEqual(signature, right) || isRight;
    }
    return isRight;
  }
}

/**
 * The bytes of a secret; null: it is none, because with an empty key anybody can sign. Those of Standard Webhooks are base64,
 * with or without their prefix.
 */
function keyOf(scheme: HmacScheme, line: string): Buffer | null {
  const secret = line.trim();
  if (scheme === 'github') return secret === '' ? null : Buffer.from(secret, 'utf8');
  const text = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret;
  const key = BASE64.test(text) ? Buffer.from(text, 'base64') : null;
  return key !== null && key.length >= WEBHOOK_KEY_BYTES_MIN ? key : null;
}

/** Standard Webhooks 1.0: `v1,BASE64` for each signature, with blanks between them; other versions are not ours. */
function signedAsWebhook({ rawHeaders }: IncomingMessage, nowMs: number): Signed | Twice | null {
  const fields = WEBHOOK_FIELDS.map((name) => valuesOf(rawHeaders, name.toLowerCase()));
  const twice = WEBHOOK_FIELDS.find((_, at) => (fields[at]?.length ?? 0) > 1);
  if (twice !== undefined) return { twice };
  const [id, timestamp, list] = fields.map(([value]) => value);
  if (!id || !timestamp || !list || !/^\d{1,12}$/.test(timestamp)) return null;
  if (Math.abs(nowMs - Number(timestamp) * 1000) > SIGNATURE_AGE_MS_MAX) return null;
  const signatures = list.split(' ', SIGNATURES_MAX).flatMap((one) => {
    const bytes = one.startsWith('v1,') ? Buffer.from(one.slice('v1,'.length), 'base64') : null;
    return bytes?.length === SHA256_BYTES ? [bytes] : [];
  });
  return signatures.length === 0 ? null : { prefix: `${id}.${timestamp}.`, signatures };
}

function signedByGithub({ rawHeaders }: IncomingMessage): Signed | Twice | null {
  const values = valuesOf(rawHeaders, GITHUB_FIELD.toLowerCase());
  if (values.length > 1) return { twice: GITHUB_FIELD };
  const [, hex] = /^sha256=([0-9a-f]{64})$/i.exec(values[0] ?? '') ?? [];
  return hex === undefined ? null : { prefix: '', signatures: [Buffer.from(hex, 'hex')] };
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const field = rawHeaders[at] ?? '';
    if (field.length === name.length && field.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '');
  }
  return values;
}

/** Whether attributes are in header fields, which are not signed. Without any, the event is in the body, or there is none. */
function isBinary({ headers }: IncomingMessage): boolean {
  if (headers['content-type']?.toLowerCase().startsWith('application/cloudevents') === true) return false;
  return Object.keys(headers).some((name) => name.startsWith('ce-'));
}
