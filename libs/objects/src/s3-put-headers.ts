import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { PutObjectCommand } from '@aws-sdk/client-s3';
import { BodyUnreadable } from './checked-body.ts';
import type { ObjectToPut } from './object-store.ts';

/** Takes back the header that the SDK sets. It is not part of the signature. */
export function withoutExpect(command: PutObjectCommand): void {
  command.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (typeof request === 'object' && request !== null && 'headers' in request) {
        delete (request.headers as Record<string, string>)['Expect'];
      }
      return next(args);
    },
    { step: 'finalizeRequest', name: 'withoutExpect' },
  );
}

/** The value of `x-amz-tagging`. */
export function taggingOf(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join('&');
}

/** The value of `Content-MD5`. */
export async function md5Base64({ body }: ObjectToPut, signal: AbortSignal): Promise<string> {
  const hash = createHash('md5');
  if (Buffer.isBuffer(body)) hash.update(body);
  else {
    await pipeline(body(), hash, { signal }).catch((cause: unknown) => {
      throw new BodyUnreadable('the body cannot be read', { cause });
    });
  }
  return hash.digest('base64');
}
