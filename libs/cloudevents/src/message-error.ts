/**
 * The mistakes in messages. A closed set, because it is a metric label.
 *
 * - `content_type`: Content-Type or datacontenttype is not a media type, or not that of any content mode (400)
 * - `event_format`: a CloudEvents format other than JSON (415)
 * - `charset`: CloudEvents JSON in a charset other than UTF-8 or US-ASCII (415)
 * - `utf8`: bytes that must be UTF-8 but are not (400)
 * - `json`: not JSON although JSON is declared, or JSON of the wrong structure (400)
 * - `surrogate`: JSON with an escaped surrogate that is not part of a pair (400)
 * - `missing_attribute`, `duplicate_attribute`, `attribute_name`, `attribute_value`, `specversion` (400)
 * - `data`: `data` and `data_base64` together, or invalid Base64 (400)
 * - `batch`: the elements of a batch do not belong together (400)
 */
export type MessageErrorCode =
  | 'content_type'
  | 'event_format'
  | 'charset'
  | 'utf8'
  | 'json'
  | 'surrogate'
  | 'missing_attribute'
  | 'duplicate_attribute'
  | 'attribute_name'
  | 'attribute_value'
  | 'specversion'
  | 'data'
  | 'batch';

/** Characters of the producer's text in an error message. */
const SHOWN_CHARACTERS_MAX = 60;

/**
 * The producer must change the message: sending the same message again cannot succeed.
 *
 * `message` is one short line that names the mistake and its place; it may be part of the answer. It repeats at most a
 * few dozen characters of the message.
 */
export class MessageError extends Error {
  override readonly name = 'MessageError';
  readonly code: MessageErrorCode;
  readonly status: 400 | 415;
  readonly retryable = false;

  constructor(code: MessageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.status = code === 'event_format' || code === 'charset' ? 415 : 400;
  }
}

/** `text` for an error message: quoted, on one line, shortened. */
export function shown(text: string): string {
  const short = text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
  return JSON.stringify(short).replace(/[\u007f-\u009f\u2028\u2029]/g, '?');
}
