import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The credentials that may sign requests to the fake. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The error of a request with a wrong signature, in the words of S3. */
export interface SignatureRefusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly region?: string;
}

interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

/** S3 refuses a request whose time differs by more than this. */
const skewMaxMs = 15 * 60 * 1000;

/** A request without this header is not signed. */
const authorizationPattern =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/**
 * Verifies a request's AWS Signature Version 4 in its header form (not presigned URLs). It follows the AWS
 * specification and does not use the SDK. `region` null accepts any region. Returns null when the signature is valid.
 * The caller, which has the body, checks the hash of the payload.
 */
export function verifySignature(
  request: IncomingMessage,
  credentials: S3Credentials,
  region: string | null,
  nowMs: number,
): SignatureRefusal | null {
  const authorization = parseAuthorization(request.headers.authorization);
  if (authorization === null) {
    return { status: 403, code: 'AccessDenied', message: 'Access Denied' };
  }
  if (authorization.accessKeyId !== credentials.accessKeyId) {
    const message = 'The AWS Access Key Id you provided does not exist in our records.';
    return { status: 403, code: 'InvalidAccessKeyId', message };
  }
  if (region !== null && authorization.region !== region) {
    const message = `The authorization header is malformed; the region '${authorization.region}' is wrong; expecting '${region}'`;
    return { status: 400, code: 'AuthorizationHeaderMalformed', message, region };
  }
  if ((header(request, 'x-amz-security-token') || undefined) !== credentials.sessionToken) {
    const message = 'The provided token is malformed or otherwise invalid.';
    return { status: 400, code: 'InvalidToken', message };
  }
  const timestamp = header(request, 'x-amz-date');
  const signedAtMs = parseTimestampMs(timestamp);
  if (signedAtMs === null || Math.abs(signedAtMs - nowMs) > skewMaxMs) {
    const message = 'The difference between the request time and the current time is too large.';
    return { status: 403, code: 'RequestTimeTooSkewed', message };
  }
  const scope = `${authorization.date}/${authorization.region}/${authorization.service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', timestamp, scope, sha256Hex(canonicalRequest(request, authorization))].join('\n');
  const expected = createHmac('sha256', signingKey(credentials.secretAccessKey, authorization)).update(toSign).digest();
  const unsigned = ['host', 'x-amz-content-sha256', 'x-amz-date'].some((n) => !authorization.signedHeaders.includes(n));
  if (unsigned || !timingSafeEqual(expected, Buffer.from(authorization.signature, 'hex'))) {
    const message =
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.';
    return { status: 403, code: 'SignatureDoesNotMatch', message };
  }
  return null;
}

function parseAuthorization(value: string | undefined): Authorization | null {
  const match = authorizationPattern.exec(value ?? '');
  if (match === null) return null;
  const [, accessKeyId = '', date = '', region = '', service = '', signedHeaders = '', signature = ''] = match;
  return { accessKeyId, date, region, service, signedHeaders: signedHeaders.split(';'), signature };
}

function canonicalRequest(request: IncomingMessage, authorization: Authorization): string {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const parameters = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', value = ''] = pair.split('=', 2);
      return `${encodeStrictly(decodeURIComponent(name))}=${encodeStrictly(decodeURIComponent(value))}`;
    })
    .sort();
  return [
    request.method,
    path
      .split('/')
      .map((segment) => encodeStrictly(decodeURIComponent(segment)))
      .join('/'),
    parameters.join('&'),
    ...authorization.signedHeaders.map((name) => `${name}:${header(request, name).trim().replace(/ +/g, ' ')}`),
    '',
    authorization.signedHeaders.join(';'),
    header(request, 'x-amz-content-sha256'),
  ].join('\n');
}

function signingKey(secretAccessKey: string, { date, region, service }: Authorization): Buffer {
  let key: string | Buffer = `AWS4${secretAccessKey}`;
  for (const part of [date, region, service, 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  return Buffer.from(key);
}

/** `20261124T091500Z` as milliseconds; null for another form. */
function parseTimestampMs(value: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(value);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match.map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
}

/** Percent-encoding as AWS requires it: of everything but `A-Z a-z 0-9 - . _ ~`. */
function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return typeof value === 'string' ? value : (value?.join(',') ?? '');
}

function sha256Hex(data: string): string {
  return createHash('sha256').update(data).digest('hex');
}
