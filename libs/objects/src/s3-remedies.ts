import type { Failure } from './object-store-error.ts';
import { arnsOf } from './s3-arns.ts';
import type { Symptoms } from './s3-symptoms.ts';

/** The data that remedies name. */
export interface S3Place {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
}

export function operator(code: Failure['code'], remedy: string): Failure {
  return { code, kind: 'operator', remedy };
}

/**
 * The store knows the credentials, and they do not allow the request.
 * @param action that the store names
 */
export function accessDenied(place: S3Place, action = 'PutObject'): Failure {
  return operator(
    'access_denied',
    `${allow(action, place)} for these credentials (also in bucket policies and conditions; \`iam\` prints the policy). The store may also answer so if the bucket does not exist.`,
  );
}

/** S3 also says 403 for an object that does not exist to credentials that may not list the bucket. */
export function unseen(place: S3Place): Failure {
  return operator(
    'unseen',
    `${allow('GetObject', place)} for these credentials, so that the uploader finds an object that an earlier try has stored. If they have it, there is no such object.`,
  );
}

function allow(action: string, { bucket, region, prefix }: S3Place): string {
  const { service, objectsArn } = arnsOf(bucket, region);
  return `Allow ${service}:${action} on ${objectsArn(prefix)}`;
}

export function unknownAccessKey(): Failure {
  return operator('unknown_access_key', 'The store does not know this access key id: correct `access_key_id`.');
}

export function badSignature(): Failure {
  return operator(
    'bad_signature',
    'The secret does not belong to the access key id, or a proxy changes requests: correct `secret_access_key`.',
  );
}

export function noSuchBucket({ bucket, endpoint }: S3Place): Failure {
  const where = endpoint === undefined ? '' : ` at ${endpoint}`;
  return operator('no_such_bucket', `Create the bucket ${bucket}${where}, or correct \`bucket\` or \`endpoint\`.`);
}

export function tooLarge(): Failure {
  return operator(
    'too_large',
    'The store does not accept objects of this size: lower `flush_bytes`, or raise the limit of the store.',
  );
}

/** The request is for a bucket of another region, or signed for one. */
export function wrongRegion(symptoms: Symptoms, { bucket, region }: S3Place): Failure {
  const right = regionIn(symptoms);
  if (region === undefined && right === undefined) {
    return operator('wrong_region', `Set \`region\` to the region of the bucket ${bucket}.`);
  }
  const remedy = `The bucket ${bucket} is not in region ${region ?? '(of the AWS profile)'}: set \`region\``;
  return operator('wrong_region', right === undefined ? `${remedy} to the right one.` : `${remedy}: ${right}.`);
}

/** The store does not understand how the request is signed: for another region, or with a key that is none. */
export function malformedAuthorization(symptoms: Symptoms, place: S3Place): Failure {
  const aboutTheKey = regionIn(symptoms) === undefined && /credential|akid/i.test(symptoms.message);
  if (!aboutTheKey) return wrongRegion(symptoms, place);
  return operator('unknown_access_key', 'The access key id has a form that none has: correct `access_key_id`.');
}

/** The store sends the request to another address. The sink does not follow, because each address needs its own signature. */
export function redirected(symptoms: Symptoms, place: S3Place): Failure {
  const { headers, details, name, status } = symptoms;
  const region = regionIn(symptoms);
  if (region !== undefined && region !== place.region) return wrongRegion(symptoms, place);
  const target = headers['location'] ?? details.Endpoint;
  const where = target === '' ? 'another address' : addressIn(target);
  const forGood = name === 'PermanentRedirect' || status === 301 || status === 308;
  if (forGood && (target === '' || place.endpoint === undefined)) return wrongRegion(symptoms, place);
  if (place.endpoint !== undefined) {
    const remedy = `${place.endpoint} redirects to ${where}: set \`endpoint\` to the address of the store itself.`;
    return operator('redirected', remedy);
  }
  // The name of a new bucket is not known everywhere yet.
  const remedy = `S3 redirects to ${where}, as it does for up to a day after a bucket was created: if this lasts, correct \`region\`.`;
  return { code: 'redirected', kind: 'transient', remedy };
}

/** The store refuses a header that the sink does not send so, or that a proxy adds. */
export function refusedHeader(header: string): Failure {
  const remedy = `The store does not accept the header \`${header}\`: if a proxy adds or changes it, let requests pass as they are.`;
  return operator('refused', remedy);
}

/** What to do about an answer that is not one of S3. */
export function noS3Remedy({ endpoint }: Pick<S3Place, 'endpoint'>): string {
  return endpoint === undefined
    ? 'It is not S3 that answered, but something on the way to it, such as a proxy: let requests to S3 pass.'
    : `The server at ${endpoint} does not seem to be an S3 server: correct \`endpoint\` (port, http or https).`;
}

/** The region that the answer calls the right one. */
function regionIn({ headers, details, message }: Symptoms): string | undefined {
  const said =
    /expecting ['"]([a-z0-9-]+)['"]/i.exec(message) ?? /expected: ['"]?\d+\/([^/\s]+)\/s3\/aws4_request/i.exec(message);
  const host = /\bs3[.-]([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com/;
  const target = host.exec(headers['location'] ?? '') ?? host.exec(details.Endpoint);
  return headers['x-amz-bucket-region'] ?? (details.Region || (said?.[1] ?? target?.[1]));
}

/** Scheme and host: the rest of an address is the key, and may hold a signature. */
function addressIn(target: string): string {
  return URL.canParse(target) ? new URL(target).origin : (target.split(/[?#]/, 1)[0] ?? '');
}
