import { distributed, type Workload } from './chart.ts';
import { Connections } from './connections.ts';
import { busiest, deleteByForce, outOfMemory, restarted } from './disruptions.ts';
import { describeFailures, failuresOfKill } from './failures.ts';
import { during } from './load.ts';
import type { Subject } from './parts.ts';
import { type Scene, gently, underLoad } from './scene.ts';

const INGESTS = 2;
const PORT = 8080;

/** Everything that kills pods. */
export const kills: Subject = {
  name: 'kills',
  about: 'an OOM kill and a forced delete under load fail only what was in flight on that pod',
  run: (part, setup) =>
    underLoad(part, setup, distributed({ ingest: { replicas: INGESTS } }), async (scene) => {
      const { namespace, release } = scene;
      const connections = new Connections(PORT);
      try {
        await killIngest(scene, connections, 'kubectl delete pod --force', async (pod) => {
          await deleteByForce(namespace, release.ingest.selector, pod);
        });
        await killIngest(scene, connections, 'OOM kill', async (pod) => oom(scene, release.ingest, pod));
        const [first = ''] = await namespace.pods(release.pipeline.selector);
        await gently(scene, 'kubectl delete pod --force of batcher and uploader', async () => {
          await deleteByForce(namespace, release.pipeline.selector, first);
        });
        await gently(scene, 'OOM kill of the batcher', async () => oom(scene, release.pipeline, first));
      } finally {
        connections.stop();
      }
    }),
};

async function killIngest(
  { part, namespace, release, loads }: Scene,
  connections: Connections,
  what: string,
  kill: (pod: string) => Promise<void>,
): Promise<void> {
  await part.step(`${what} of an ingest: only what was in flight on it fails`, async () => {
    const { pod, connections: open } = await busiest(namespace, release.ingest, PORT);
    const [producers] = await namespace.podList('app=load');
    const window = await during(loads, () => kill(pod.metadata.name));
    const addresses = { podIp: pod.status.podIP ?? '', client: producers?.status.podIP ?? '' };
    const { inFlight, refused, others } = failuresOfKill(
      window,
      addresses,
      connections.problem === null ? connections : null,
    );
    if (others.length > 0) throw new Error(describeFailures(others, window.requests));
    const how =
      connections.problem === null ? 'by the table of connections of the node' : 'by the time of their failure';
    return `${inFlight.length} in flight on ${open} connections, ${how}; ${refused.length} connections refused; ${window.requests} requests`;
  });
}

async function oom({ namespace }: Scene, { container }: Workload, pod: string): Promise<void> {
  await outOfMemory(namespace, pod, container);
  const reason = await restarted(namespace, pod, container);
  if (reason !== 'OOMKilled') throw new Error(`${pod} was restarted, but for the reason ${reason}`);
}
