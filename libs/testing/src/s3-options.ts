import type { IncomingHttpHeaders } from 'node:http';
import { errorAnswer } from './s3-answers.ts';
import type { S3Answer } from './s3-answers.ts';
import type { S3Upload } from './s3-objects.ts';

const TAGS_MAX = 10;
/** Letters and digits of all languages, spaces, and these signs. */
const TAG_TEXT = /^[\p{L}\p{N}\p{Z}+\-=._:/@]*$/u;

/** The tags of a PUT: `x-amz-tagging` is encoded as the query of a URL. */
export function tagsOf(headers: IncomingHttpHeaders): Pick<S3Upload, 'tags'> {
  const given = headers['x-amz-tagging'];
  if (typeof given !== 'string') return {};
  return { tags: Object.fromEntries(new URLSearchParams(given)) };
}

/** The error of tags that S3 refuses, or null (Amazon S3 User Guide, "Categorizing your storage using tags"). */
export function refuseTags(headers: IncomingHttpHeaders): S3Answer | null {
  const given = headers['x-amz-tagging'];
  if (typeof given !== 'string') return null;
  const pairs = [...new URLSearchParams(given)];
  const [keys, values] = [pairs.map(([key]) => key), pairs.map(([, value]) => value)];
  if (pairs.length > TAGS_MAX) return errorAnswer(400, 'BadRequest', 'Object tags cannot be greater than 10');
  if (new Set(keys).size < keys.length) {
    return errorAnswer(400, 'InvalidTag', 'Cannot provide multiple Tags with the same key');
  }
  const fits = (text: string, charactersMax: number): boolean => text.length <= charactersMax && TAG_TEXT.test(text);
  if (keys.every((key) => key !== '' && fits(key, 128)) && values.every((value) => fits(value, 256))) return null;
  return errorAnswer(400, 'InvalidTag', 'The TagKey or the TagValue you have provided is invalid');
}

/** The lock of a PUT. */
export function lockOf(headers: IncomingHttpHeaders): Pick<S3Upload, 'lock'> {
  const [mode, until] = [headers['x-amz-object-lock-mode'], headers['x-amz-object-lock-retain-until-date']];
  if (typeof mode !== 'string' || typeof until !== 'string') return {};
  return { lock: { mode, untilMs: Date.parse(until) } };
}

/** The error of a lock that S3 refuses, or null (Amazon S3 API Reference, PutObject). */
export function refuseLock(
  headers: IncomingHttpHeaders,
  hasLocks: boolean,
  nowMs: number,
  inParts = false,
): S3Answer | null {
  const [mode, until] = [headers['x-amz-object-lock-mode'], headers['x-amz-object-lock-retain-until-date']];
  if (mode === undefined && until === undefined) return null;
  if (mode === undefined || typeof until !== 'string') {
    const message = 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied';
    return errorAnswer(400, 'InvalidArgument', message);
  }
  if (!hasLocks) return errorAnswer(400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration');
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') {
    return errorAnswer(400, 'InvalidArgument', 'Unknown wormMode directive.');
  }
  if (!/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/.test(until) || !(Date.parse(until) > nowMs)) {
    return errorAnswer(400, 'InvalidArgument', 'The retain until date must be in the future!');
  }
  if (
    !inParts &&
    headers['content-md5'] === undefined &&
    !Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'))
  ) {
    const message =
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters';
    return errorAnswer(400, 'InvalidRequest', message);
  }
  return null;
}
