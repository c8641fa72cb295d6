import type { IncomingMessage, ServerResponse } from 'node:http';
import type { S3Fault } from './s3-faults.ts';
import type { S3Object } from './s3-objects.ts';
import { readBody } from './s3-request.ts';
import type { FakeS3, S3Permissions } from './s3.ts';

/** An object as one line of the listing. It has `body` (base64) only when the request asks for it. */
export interface S3ObjectLine extends Omit<S3Object, 'body'> {
  readonly sizeBytes: number;
  readonly body?: string;
}

/**
 * The fake's control over HTTP, for tests that run it as a process of its own. Unsigned, and free of faults:
 *
 *     GET    /_fake/objects[?bodies=1]     NDJSON, one S3ObjectLine a line, in key order
 *     GET    /_fake/object?key=KEY         the object's bytes, or 404
 *     GET    /_fake/writes                 NDJSON, one S3Write a line, oldest first
 *     GET    /_fake/requests               NDJSON, one S3Request a line, oldest first
 *     POST   /_fake/faults                 an S3Fault as JSON; answers {"id": n}
 *     GET    /_fake/faults/ID              {"hits": n}
 *     DELETE /_fake/faults[/ID]            one rule, or all
 *     PUT    /_fake/permissions            S3Permissions as JSON
 *     PUT    /_fake/bucket                 true | false as JSON: whether the bucket exists
 *     POST   /_fake/plant?key=KEY          the body becomes an object of another program
 *     DELETE /_fake/object?key=KEY         deletes an object
 *     POST   /_fake/clear                  forgets everything
 */
export async function handleAdmin(fake: FakeS3, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', fake.url);
  const [, , what = '', id = ''] = url.pathname.split('/');
  const key = url.searchParams.get('key') ?? '';
  const body = await readBody(request);
  const json = (value: unknown): void => void response.end(JSON.stringify(value));
  const lines = (values: readonly unknown[]): void => {
    for (const value of values) response.write(`${JSON.stringify(value)}\n`);
    response.end();
  };
  switch (`${request.method ?? ''} ${what}`) {
    case 'GET objects':
      return lines(
        fake
          .objects(url.searchParams.get('bucket') || undefined)
          .map((object) => objectLine(object, url.searchParams.has('bodies'))),
      );
    case 'GET object': {
      const object = fake.object(key);
      if (object === undefined) response.writeHead(404).end();
      else response.end(object.body);
      return;
    }
    case 'DELETE object':
      fake.remove(key);
      return json({});
    case 'GET writes':
      return lines(fake.writes());
    case 'GET requests':
      return lines(fake.requests());
    case 'POST faults':
      return json({ id: fake.addFault(JSON.parse(body.toString()) as S3Fault) });
    case 'GET faults':
      return json({ hits: fake.faultHits(Number(id)) });
    case 'DELETE faults':
      if (id === '') fake.clearFaults();
      else fake.removeFault(Number(id));
      return json({});
    case 'PUT permissions':
      fake.setPermissions(JSON.parse(body.toString()) as S3Permissions);
      return json({});
    case 'PUT bucket':
      fake.setBucketExists(JSON.parse(body.toString()) as boolean);
      return json({});
    case 'POST plant':
      fake.plant(key, body);
      return json({});
    case 'POST clear':
      fake.clear();
      return json({});
    default:
      response.writeHead(404).end(`the fake has no ${request.method ?? ''} ${url.pathname}\n`);
  }
}

function objectLine({ body, ...rest }: S3Object, withBody: boolean): S3ObjectLine {
  return { ...rest, sizeBytes: body.length, ...(withBody ? { body: body.toString('base64') } : {}) };
}
