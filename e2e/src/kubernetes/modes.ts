import { merge, Release, TO_TEST_S3, type Values, WITH_BUNDLED_REDIS } from './chart.ts';
import { deleteByForce } from './disruptions.ts';
import { describeFailures } from './failures.ts';
import { startS3, type Setup } from './helpers.ts';
import { during } from './load.ts';
import type { Subject } from './parts.ts';
import type { Part } from './report.ts';
import { inNamespace, underLoad } from './scene.ts';

const ALL_IN_ONE: Values = { mode: 'all-in-one' };

export const allInOne: Subject = {
  name: 'all-in-one',
  about: 'the chart with everything in one pod: helm test; a forced delete under load',
  run: async (part, setup) => {
    const values = merge(TO_TEST_S3, ALL_IN_ONE);
    await underLoad(part, setup, values, async ({ namespace, release, loads }) => {
      await part.step('helm test', () => helmTest(release));
      // The next pod of the StatefulSet has the same name and volume, and starts while the old one is being killed.
      await part.step('kubectl delete pod --force: the next one takes over', async () => {
        const selector = 'app.kubernetes.io/component=all-in-one';
        const [pod = ''] = await namespace.pods(selector);
        const { requests, failures } = await during(loads, async () => {
          await deleteByForce(namespace, selector, pod);
        });
        return failures.length === 0 ? `0 of ${requests} requests failed` : describeFailures(failures, requests);
      });
    });
  },
};

export const distributedMode: Subject = {
  name: 'distributed',
  about: 'the chart with two ingests, batcher and uploader, and the bundled Redis: helm test',
  run: (part, setup) => installAndTest(part, setup, WITH_BUNDLED_REDIS),
};

async function installAndTest(part: Part, setup: Setup, values: Values): Promise<void> {
  await inNamespace(part, setup, async (namespace) => {
    const s3 = await startS3(namespace, setup);
    const release = new Release(namespace, setup, values);
    await part.step('helm install', async () => {
      await release.install();
      return 'all pods are ready';
    });
    await part.step('helm test', () => helmTest(release));
    const objects = (await s3.objects()).size;
    part.check('the event of helm test is in the bucket', objects === 1, `${objects} objects`);
    await part.step('helm uninstall', async () => {
      await release.uninstall();
      return '';
    });
  });
}

async function helmTest(release: Release): Promise<string> {
  const output = await release.test();
  return output.split('\n').find((line) => line.startsWith('Phase:')) ?? output;
}
