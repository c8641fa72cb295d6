import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@sink/testing';
import { BUCKET, CREDENTIALS, S3_PORT, startS3 } from './helpers.ts';
import { Namespace, run } from './kubectl.ts';
import type { Subject } from './parts.ts';
import { inNamespace } from './scene.ts';

const NAMESPACE = 'vanus';

/** The commands of the guide, with a bucket of the tests in place of one on AWS. */
export const manifest: Subject = {
  name: 'manifest',
  about: "the manifest, applied by the guide's own commands, takes an event to its object",
  run: (part, setup) =>
    inNamespace(part, setup, async (namespace) => {
      const s3 = await startS3(namespace, setup);
      const vanus = await Namespace.create(NAMESPACE);
      try {
        const file = join(mkdtempSync(join(tmpdir(), 'sink-manifest-')), 'sink-aws-s3.yaml');
        writeFileSync(file, manifestFor(setup.root, `http://s3.${namespace.name}:${S3_PORT}`, setup.image));
        await part.step('kubectl apply -f sink-aws-s3.yaml', async () => {
          await run('kubectl', ['apply', '-f', file]);
          await vanus.rolledOut('deployment/sink-aws-s3');
          return 'the pod is ready';
        });
        await part.step('an event posted through port-forward is in the bucket', async () => {
          const url = await vanus.forward('service/sink-aws-s3', 8080);
          const event = { specversion: '1.0', id: '1', source: '/manifest', type: 'test' };
          const headers = { 'content-type': 'application/cloudevents+json' };
          const { status } = await fetch(url, { method: 'POST', headers, body: JSON.stringify(event) });
          if (status !== 202) throw new Error(`the answer is ${status}`);
          return eventually(
            async () => {
              const [[key, lines] = ['', []]] = await s3.objects();
              return lines.length === 1 && key;
            },
            { timeoutMs: 60_000, intervalMs: 500 },
          );
        });
        await part.step('kubectl apply of a changed configuration', async () => {
          writeFileSync(file, readFileSync(file, 'utf8').replace('scheduled_interval: 10', 'scheduled_interval: 11'));
          await run('kubectl', ['apply', '-f', file]);
          await vanus.kubectl('rollout', 'restart', 'deployment/sink-aws-s3');
          await vanus.rolledOut('deployment/sink-aws-s3');
          return 'the pod is ready again, on its volume';
        });
        await part.step('kubectl delete -f sink-aws-s3.yaml', async () => {
          await run('kubectl', ['delete', '-f', file]);
          return '';
        });
      } finally {
        await vanus.delete(setup.keep);
      }
    }),
};

/** What the guide tells a user to put in: bucket, region, key; and here the endpoint. */
function manifestFor(root: string, endpoint: string, image: string): string {
  const text = readFileSync(join(root, 'deploy/kubernetes/sink-aws-s3.yaml'), 'utf8');
  return text
    .replace('bucket: "mybucket"', `bucket: "${BUCKET}"\n    endpoint: ${endpoint}`)
    .replace(/^(\s+access_key_id: ).*$/m, `$1${CREDENTIALS.accessKeyId}`)
    .replace(/^(\s+secret_access_key: ).*$/m, `$1${CREDENTIALS.secretAccessKey}`)
    .replace(/^(\s+image: ).*$/m, `$1${image}`);
}
