export { dataOf, dataschemaOf } from './data-of.ts';
export { decodeMessage } from './decode-message.ts';
export type { Decoding } from './decoding.ts';
export { fingerprint } from './fingerprint.ts';
export { MessageError } from './message-error.ts';
export type { MessageErrorCode } from './message-error.ts';
export { splitMessage } from './split-message.ts';
export type { MessagePart } from './split-message.ts';
