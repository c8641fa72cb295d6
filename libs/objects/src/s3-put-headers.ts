import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { MiddlewareStack } from '@aws-sdk/types';
import { BodyUnreadable } from './checked-body.ts';
import type { ObjectToPut } from './object-store.ts';
import { objectHeaders, type PutSettings } from './put-settings.ts';

/** Takes back the header that the SDK sets. It is not part of the signature. */
export function withoutExpect<Input extends object, Output extends object>(command: {
  readonly middlewareStack: MiddlewareStack<Input, Output>;
}): void {
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

/** What is kept with an object: the record says it, or the configuration of the moment. */
export function keptHeaders(object: ObjectToPut, settings: PutSettings) {
  const { tags, lockUntilMs } = object;
  return {
    ContentType: object.contentType,
    Metadata: { ...object.metadata, 'content-sha256': object.contentHash, 'segment-id': object.segmentId },
    ...(tags === undefined ? {} : { Tagging: taggingOf(tags) }),
    ...(lockUntilMs === undefined
      ? {}
      : {
          ObjectLockMode: settings.objectLockMode ?? 'GOVERNANCE',
          ObjectLockRetainUntilDate: new Date(lockUntilMs),
        }),
    ...objectHeaders(settings),
  };
}

/** The value of `x-amz-tagging`. */
function taggingOf(tags: Readonly<Record<string, string>>): string {
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
