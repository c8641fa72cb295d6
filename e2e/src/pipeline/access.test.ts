import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, type HttpProxy, startHttpProxy } from '@sink/testing';
import { afterEach, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
let proxy: HttpProxy | undefined;
afterEach(async () => {
  await pipeline?.stop();
  await proxy?.close();
  pipeline = proxy = undefined;
});

const folder = mkdtempSync(join(tmpdir(), 'sink-access-'));
const key = 'AKIAIOSFODNN7EXAMPLE';
const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

/** A sink whose uploader has `environment`, with two events that wait for it. */
async function withUploader(environment: Readonly<Record<string, string>>): Promise<Pipeline> {
  const sink = (pipeline = await Pipeline.start({
    uploaders: 0,
    environmentOf: (name) => (name.startsWith('uploader') ? environment : {}),
  }));
  for (const id of ['a', 'b']) {
    const response = await fetch(sink.of('ingest')[0]?.url ?? '', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', id, source: '/access', type: 't' }),
    });
    expect(response.status).toBe(202);
  }
  await sink.add('uploader');
  return sink;
}

/** The uploader is not ready, and says this. */
async function says(sink: Pipeline, problem: string): Promise<void> {
  const [uploader] = sink.of('uploader');
  await eventually(
    async () => expect(await (await fetch(`${uploader?.opsUrl ?? ''}/readyz`)).text()).toContain(problem),
    { timeoutMs: 30_000 },
  );
}

/** Everything is in the bucket within a minute from now. */
async function uploaded(sink: Pipeline): Promise<void> {
  await sink.drained(60_000);
  expect([...(await sink.objects()).values()].flat()).toHaveLength(2);
}

it('what waited is uploaded within a minute after the shared credentials file is there', async () => {
  const shared = join(folder, 'credentials');
  const sink = await withUploader({
    SINK_AWS_ACCESS_KEY_ID: '',
    SINK_AWS_SECRET_ACCESS_KEY: '',
    AWS_SHARED_CREDENTIALS_FILE: shared,
    AWS_CONFIG_FILE: '/nowhere',
    AWS_EC2_METADATA_DISABLED: 'true',
  });
  await says(
    sink,
    `were found in the AWS environment, the profile default (/nowhere, ${shared}) or a role: provide them there`,
  );
  writeFileSync(shared, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = ${secret}\n`);
  await uploaded(sink);
});

it('and after a file of the configuration was replaced; neither secret is logged', async () => {
  const [idFile, secretFile] = [join(folder, 'id'), join(folder, 'secret')];
  writeFileSync(idFile, key);
  writeFileSync(secretFile, 'an-old-secret\n');
  const sink = await withUploader({
    SINK_AWS_ACCESS_KEY_ID: '',
    SINK_AWS_SECRET_ACCESS_KEY: '',
    SINK_AWS_ACCESS_KEY_ID_FILE: idFile,
    SINK_AWS_SECRET_ACCESS_KEY_FILE: secretFile,
  });
  await says(sink, 'correct it (aws.access_key_id_file and aws.secret_access_key_file)');
  writeFileSync(secretFile, `${secret}\n`);
  await uploaded(sink);
  expect(sink.of('uploader')[0]?.process.output()).not.toMatch(/an-old-secret|wJalrXUtnFEMI/);
});

it('the variables of a proxy and of the endpoint are obeyed, for S3 only', async () => {
  // The uploader is given a name that only the proxy knows; the port of the fake is known later.
  let port = 0;
  proxy = await startHttpProxy(() => ({ host: '127.0.0.1', port }));
  const environment = {
    SINK_ENDPOINT: '',
    AWS_ENDPOINT_URL_S3: 'http://s3.test:9000',
    HTTP_PROXY: proxy.url,
    http_proxy: '',
    NO_PROXY: '',
    no_proxy: '',
  };
  const sink = await withUploader(environment);
  port = sink.s3.port;
  await uploaded(sink);
  expect(new Set(proxy.asked)).toEqual(new Set(['PUT http://s3.test:9000']));
});
