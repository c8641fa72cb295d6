import { eventually } from '@sink/testing';
import { distributed, type Workload } from './chart.ts';
import { startLoad } from './helpers.ts';
import type { Namespace } from './kubectl.ts';
import type { Subject } from './parts.ts';
import { gently, type Scene, underLoad } from './scene.ts';

const SCALED_MAX_MS = 150_000;
const BURST_PRODUCERS = 48;
/** What takes less than half of what an ingest asks for. */
const LIGHT = { producers: 2, pauseMs: 100 };
/** No waiting before a scale-down, which is five minutes by default. */
const AT_ONCE = {
  scaleDown: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 4, periodSeconds: 5 }] },
};

export const hpa: Subject = {
  name: 'hpa',
  about: 'the HPA of ingest scales up and down under load, and no request fails',
  run: (part, setup) => {
    const autoscaling = {
      enabled: true,
      minReplicas: 1,
      maxReplicas: 3,
      targetCPUUtilizationPercentage: 60,
      behavior: AT_ONCE,
    };
    const resources = { requests: { cpu: '200m', memory: '256Mi' } };
    const disturb = async (scene: Scene): Promise<void> => {
      const { namespace, release, loads } = scene;
      const burst = await startLoad(namespace, setup, { name: 'burst', url: release.url, pauseMs: 0 });
      loads.push(burst);
      await gently(scene, 'more load: 1 → 2 or more', async () => {
        await burst.start(BURST_PRODUCERS);
        await reaches(namespace, release.ingest, (replicas) => replicas >= 2);
      });
      await gently(scene, 'less load: back to 1', async () => {
        await burst.stop();
        await reaches(namespace, release.ingest, (replicas) => replicas === 1);
      });
    };
    return underLoad(part, setup, distributed({ ingest: { autoscaling, resources } }), disturb, LIGHT);
  },
};

export const keda: Subject = {
  name: 'keda',
  about: 'KEDA scales batcher and uploader; scaled down while S3 is away, nothing is stranded',
  run: (part, setup) => {
    const autoscaling = {
      enabled: true,
      minReplicas: 1,
      maxReplicas: 3,
      pollingInterval: 2,
      waitingSegments: 3,
      behavior: AT_ONCE,
    };
    return underLoad(part, setup, distributed({ pipeline: { autoscaling } }), async (scene) => {
      const { namespace, release, s3 } = scene;
      await namespace.kubectl('wait', '--for=condition=Ready', 'scaledobject', '--all', '--timeout=60s');
      await gently(scene, 'S3 away: 1 → 2 or more', async () => {
        await s3.away();
        await asksFor(namespace, release.pipeline, (replicas) => replicas >= 2);
      });
      await gently(scene, 'S3 back: down to 1', async () => {
        await s3.back();
        await reaches(namespace, release.pipeline, (replicas) => replicas === 1);
      });
      await gently(scene, 'S3 away again, and down to 1 by hand', async () => {
        await s3.away();
        await asksFor(namespace, release.pipeline, (replicas) => replicas >= 2);
        // As an operator does; KEDA itself would not scale down while segments wait.
        await namespace.kubectl('annotate', 'scaledobject', '--all', 'autoscaling.keda.sh/paused-replicas=1');
        await asksFor(namespace, release.pipeline, (replicas) => replicas === 1);
        await s3.back();
      });
    });
  },
};

async function reaches(namespace: Namespace, workload: Workload, enough: (replicas: number) => boolean): Promise<void> {
  await asksFor(namespace, workload, enough);
  await namespace.rolledOut(workload.name);
}

/** Waits until so many pods are asked for and there. They may be not ready: an uploader is, while S3 is away. */
async function asksFor(namespace: Namespace, { name }: Workload, enough: (replicas: number) => boolean): Promise<void> {
  await eventually(
    async () => {
      const text = await namespace.kubectl('get', name, '-o', 'jsonpath={.spec.replicas} {.status.replicas}');
      const [asked = 0, all = 0] = text.split(' ').map(Number);
      if (!(enough(asked) && all === asked)) throw new Error(`${name}: asked for, and there: ${text}`);
    },
    { timeoutMs: SCALED_MAX_MS, intervalMs: 1_000 },
  );
}
