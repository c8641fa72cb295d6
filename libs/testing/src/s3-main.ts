/**
 * The S3 fake as a process of its own:
 *
 *     node s3-main.ts --bucket NAME --access-key-id ID --secret-access-key SECRET
 *                     [--port N] [--host H] [--region R] [--permissions all|put_only|none]
 *                     [--other-bucket NAME]… [--object-lock]
 *
 * Prints `s3 fake listening on URL` when it is ready. `URL/_fake/…` controls it (s3-admin.ts, RemoteS3).
 * Objects are in memory and are gone with the process.
 */
import { parseArgs } from 'node:util';
import { startS3 } from './s3.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    bucket: { ...text, default: 'bucket' },
    'access-key-id': { ...text, default: 'fake-key' },
    'secret-access-key': { ...text, default: 'fake-secret' },
    port: { ...text, default: '0' },
    host: { ...text, default: '127.0.0.1' },
    region: text,
    permissions: { ...text, default: 'all' },
    'other-bucket': { ...text, multiple: true, default: [] },
    'object-lock': { type: 'boolean', default: false },
  },
});
const { permissions } = values;
if (permissions !== 'all' && permissions !== 'put_only' && permissions !== 'none') {
  throw new Error(`starting the S3 fake: --permissions must be all, put_only or none, not ${permissions}`);
}
const fake = await startS3({
  bucket: values.bucket,
  accessKeyId: values['access-key-id'],
  secretAccessKey: values['secret-access-key'],
  port: Number(values.port),
  host: values.host,
  permissions,
  otherBuckets: values['other-bucket'],
  objectLock: values['object-lock'],
  ...(values.region === undefined ? {} : { region: values.region }),
});
process.once('SIGTERM', () => void fake.stop().then(() => process.exit(0)));
console.log(`s3 fake listening on ${fake.url}`);
