import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  eventually,
  freePort,
  type ManagedProcess,
  startProcess,
  startS3Process,
  temporaryDirectory,
} from '@sink/testing';
import { describe, it } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../../..');
const CREDENTIALS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

/** The configurations of the original connector's guide, unchanged. */
const GUIDE_CONFIG = `port: 8080
aws:
  access_key_id: AKIAIOSFODNN7EXAMPLE
  secret_access_key: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
region: "us-west-2"
bucket: "mybucket"
scheduled_interval: 10
`;
const GUIDE_CONFIG_MAP = GUIDE_CONFIG.replace('secret_access_key', 'secret_access_Key');

const INTERVAL_MS = 10_000;
/** The time from the end of the interval until the object is in S3, by the clock of S3. */
const LATE_MS_MAX = 1_000;

/** The event of the guide's curl command, as curl sends it. */
const GUIDE_EVENT = `{
     "id": "53d1c340-551a-11ed-96c7-8b504d95037c",
    "source": "quickstart",
    "specversion": "1.0",
    "type": "quickstart",
    "datacontenttype": "application/json",
    "time": "2022-10-26T10:38:29.345Z",
    "data": {
        "myData": "simulation event data"
    }
}`;

// Each waits for its interval: they wait together.
describe.concurrent("the original connector's guide, unchanged but for the endpoint", () => {
  for (const [name, config] of [
    ['config.yml', GUIDE_CONFIG],
    ['the ConfigMap with its misspelt key', GUIDE_CONFIG_MAP],
  ] as const) {
    it(`${name}: one object under YYYY/MM/DD/HH/ with that event, within scheduled_interval + 1 s`, async ({
      expect,
      onTestFinished,
    }) => {
      const s3 = await startS3Process({ bucket: 'mybucket', ...CREDENTIALS });
      const { sink, port } = await startSink(`${config}endpoint: ${s3.url}\n`);
      onTestFinished(async () => {
        await sink.kill('SIGTERM');
        await s3.stop();
      });
      await eventually(async () => (await fetch(`http://127.0.0.1:${port}/readyz?all`)).ok, {
        timeoutMs: 60_000,
      }).catch(withOutputOf(sink));
      const sentAtMs = Date.now();
      const response = await fetch(`http://127.0.0.1:${port}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/cloudevents+json' },
        body: GUIDE_EVENT,
      });
      expect(response.status).toBe(202);
      expect(await response.text()).toBe('');
      const acceptedAtMs = Date.now();
      const { control } = s3;
      await eventually(async () => (await control.keys()).length === 1, { timeoutMs: 30_000 }).catch(
        withOutputOf(sink),
      );
      const [object] = await control.objects();
      expect(object?.key).toMatch(/^\d{4}\/\d{2}\/\d{2}\/\d{2}\/eventing-[\w-]+\.ndjson$/);
      expect([hourOf(sentAtMs), hourOf(acceptedAtMs)]).toContain(object?.key.slice(0, 13));
      const event = JSON.stringify(JSON.parse(GUIDE_EVENT));
      expect(object?.body.toString()).toBe(`${event}\n`);
      expect((object?.lastModifiedMs ?? Infinity) - acceptedAtMs).toBeLessThan(INTERVAL_MS + LATE_MS_MAX);
    });
  }
});

function hourOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 13).replaceAll('-', '/').replace('T', '/');
}

/** The whole sink as `npm start` runs it, with ports and folders of this test. */
async function startSink(config: string): Promise<{ sink: ManagedProcess; port: number }> {
  const directory = temporaryDirectory('guide');
  const file = join(directory, 'config.yml');
  await writeFile(file, config);
  const port = await freePort();
  const sink = await startProcess({
    command: process.execPath,
    args: [join(REPOSITORY, 'apps/sink/src/main.ts')],
    env: {
      CONNECTOR_CONFIG: file,
      SINK_HOST: '127.0.0.1',
      SINK_PORT: String(port),
      SINK_INGEST_OPS_PORT: String(await freePort()),
      SINK_BATCHER_OPS_PORT: String(await freePort()),
      SINK_UPLOADER_OPS_PORT: String(await freePort()),
      SINK_REDIS_PORT: String(await freePort()),
      SINK_DATA_DIR: join(directory, 'data'),
    },
  });
  return { sink, port };
}

/** A failure without the log of the sink would give no hint of its cause. */
function withOutputOf(sink: ManagedProcess): (error: unknown) => never {
  return (error) => {
    throw new Error(`the sink printed:\n${sink.output()}`, { cause: error });
  };
}
