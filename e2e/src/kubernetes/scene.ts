import { Release, type Values } from './chart.ts';
import { type ClusterS3, type Setup, startLoad, startRedis, startS3 } from './helpers.ts';
import { describeFailures } from './failures.ts';
import { Namespace } from './kubectl.ts';
import { during, type Load } from './load.ts';
import type { Part } from './report.ts';
import { judgeRun } from './verdict.ts';

/** A release of the chart under load, with an S3 beside it. */
export interface Scene {
  readonly part: Part;
  readonly namespace: Namespace;
  readonly s3: ClusterS3;
  readonly release: Release;
  readonly load: Load;
  /** All whose events the oracle judges. */
  readonly loads: Load[];
}

interface Steady {
  readonly producers: number;
  readonly pauseMs: number;
}

/** The producers wait between two events: the load is steady, and leaves the machine some room. */
const STEADY: Steady = { producers: 16, pauseMs: 10 };

/** Runs `work` in a namespace of the part, which goes at the end. */
export async function inNamespace(
  part: Part,
  setup: Setup,
  work: (namespace: Namespace) => Promise<void>,
): Promise<void> {
  const namespace = await Namespace.create(`sink-test-${part.name}`);
  try {
    await work(namespace);
  } finally {
    await namespace.delete(setup.keep);
  }
}

/** Installs the chart, disturbs it under load, and then judges what was acknowledged and stored. */
export async function underLoad(
  part: Part,
  setup: Setup,
  values: Values,
  disturb: (scene: Scene) => Promise<void>,
  { producers, pauseMs } = STEADY,
): Promise<void> {
  await inNamespace(part, setup, async (namespace) => {
    const [s3] = await Promise.all([startS3(namespace, setup), startRedis(namespace, setup)]);
    const release = new Release(namespace, setup, values);
    await part.step('helm install', async () => {
      await release.install();
      return 'all pods are ready';
    });
    const load = await startLoad(namespace, setup, { url: release.url, pauseMs });
    const loads = [load];
    await load.start(producers);
    try {
      await disturb({ part, namespace, s3, release, load, loads });
    } finally {
      await s3.back();
      await judgeRun(part, loads, s3);
    }
  });
}

/** Disturbs the sink in a way that may cost no request. */
export async function gently(
  { part, loads }: Pick<Scene, 'part' | 'loads'>,
  what: string,
  disturb: () => Promise<void>,
): Promise<void> {
  await part.step(`${what}: no request fails`, async () => {
    const { requests, failures } = await during(loads, disturb);
    if (failures.length > 0) throw new Error(describeFailures(failures, requests));
    return `0 of ${requests} requests`;
  });
}
