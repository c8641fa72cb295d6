/** The parts of an error of the SDK, of Node's network layer or of S3 that the classification uses. */
export interface Symptoms {
  /** The code in S3's XML, or the class of an SDK error: `NoSuchBucket`, `TimeoutError`, `CredentialsProviderError`. */
  readonly name: string;
  /** Node's code: `ECONNRESET`, `CERT_HAS_EXPIRED`. */
  readonly systemCode: string;
  readonly status: number | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
  /** Other elements of S3's XML, empty where it has none. */
  readonly details: Readonly<Record<(typeof DETAILS)[number], string>>;
  /**
   * Whether S3 sent the answer, or a server with its protocol. Null: that cannot be known, because there is no answer, or
   * it is one that has no body.
   */
  readonly fromS3: boolean | null;
}

const DETAILS = ['Header', 'HeadersNotSigned', 'ArgumentName', 'Region', 'Endpoint'] as const;

/** @param head whether the request was a HEAD, whose answer has no body */
export function readSymptoms(error: unknown, head = false): Symptoms {
  const name = textOf(error, 'name');
  const response = property(error, '$response');
  const headers = headersOf(response);
  // An AggregateError (all addresses of a name failed) has the code itself; a wrapped error has it in its cause.
  const code = textOf(error, 'code') || textOf(property(error, 'cause'), 'code');
  const details = Object.fromEntries(DETAILS.map((detail) => [detail, textOf(error, detail)])) as Symptoms['details'];
  const unknown = head || response === undefined;
  // The SDK leaves the body with the error if it is no XML. SeaweedFS sends S3's headers with all of its services.
  const readable = property(error, '$responseBodyText') === undefined;
  const fromS3 = unknown ? null : readable && isOfS3(textOf(error, 'Code'), Object.keys(headers));
  return {
    name,
    systemCode: code === '' || code === name ? '' : code,
    status: statusOf(error),
    headers,
    message: fromS3 === false ? 'the answer is not one of S3' : (textOf(error, 'message').split('\n', 1)[0] ?? ''),
    details,
    fromS3,
  };
}

/** The HTTP status of S3's answer; null without an answer. */
export function statusOf(error: unknown): number | null {
  const found = property(property(error, '$metadata'), 'httpStatusCode');
  return typeof found === 'number' ? found : null;
}

/**
 * One short line with the answer of S3 or the network error, for the error's message.
 * @param head whether the request was a HEAD
 */
export function describeS3Failure(error: unknown, head = false): string {
  const { name, systemCode, status, message, fromS3 } = readSymptoms(error, head);
  const codes = fromS3 === false ? [] : [name, systemCode];
  const said = [...new Set(codes)].filter((part) => part !== '' && part !== 'Error').join(' ');
  // The sentence goes on behind it.
  const text = message.replace(/\.$/, '');
  return [status === null ? '' : String(status), said, text].filter((part) => part !== '').join(' ');
}

/** Azure's errors have codes in the same XML, and headers of their own. */
function isOfS3(code: string, headers: readonly string[]): boolean {
  if (headers.some((header) => header.startsWith('x-ms-'))) return false;
  return code !== '' || headers.some((header) => /^x-amzn?-/.test(header));
}

function headersOf(response: unknown): Readonly<Record<string, string>> {
  const given = property(response, 'headers');
  if (typeof given !== 'object' || given === null) return {};
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key.toLowerCase(), String(value)]));
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function textOf(value: unknown, name: string): string {
  const text = property(value, name);
  return typeof text === 'string' ? text : '';
}
