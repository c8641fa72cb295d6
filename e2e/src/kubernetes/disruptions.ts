import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@sink/testing';
import type { Release, Workload } from './chart.ts';
import { type Namespace, type PodState, run } from './kubectl.ts';

/** How long a pod may take until another one is ready in its place. */
const REPLACED_MS = 180_000;
/** How long the sink has to do with what a drain has left of it. */
const CORDONED_MS = 8_000;

/** Evicts each pod of a workload, as a drain does, and waits for the one in its place before the next. */
export async function evictEach(namespace: Namespace, { selector }: Pick<Workload, 'selector'>): Promise<void> {
  const pods = await namespace.pods(selector);
  for (const pod of pods) {
    await replace(namespace, selector, pod, async () => {
      // A budget may not allow it at once: kubectl drain asks again, too.
      await eventually(() => namespace.evict(pod), { timeoutMs: REPLACED_MS, intervalMs: 1_000 });
    });
  }
}

/**
 * Drains the node of an ingest of all pods that the selector finds, and uncordons it when an ingest is gone: where there is
 * one node, the pods in place of the evicted ones can start nowhere else, and the budget holds up the rest of the drain.
 */
export async function drainAndUncordon({ namespace, ingest, pipeline }: Release, selector: string): Promise<void> {
  const before = await namespace.pods(ingest.selector);
  const node = await namespace.kubectl('get', 'pod', before[0] ?? '', '-o', 'jsonpath={.spec.nodeName}');
  const args = ['drain', node, `--pod-selector=${selector}`, '--ignore-daemonsets', '--delete-emptydir-data'];
  const draining = run('kubectl', [...args, '--timeout=120s']);
  try {
    const isOneGone = async (): Promise<boolean> => {
      const now = await namespace.pods(ingest.selector);
      return before.some((pod) => !now.includes(pod));
    };
    await Promise.race([draining, eventually(isOneGone, { timeoutMs: REPLACED_MS, intervalMs: 500 })]);
    await sleep(CORDONED_MS);
  } finally {
    await run('kubectl', ['uncordon', node]);
  }
  await draining;
  for (const { name } of [ingest, pipeline]) await namespace.rolledOut(name);
}

/** Deletes a pod without grace, and waits for the one in its place. Kubernetes does not wait for the end of its processes. */
export async function deleteByForce(namespace: Namespace, selector: string, pod: string): Promise<void> {
  await replace(namespace, selector, pod, async () => {
    await namespace.kubectl('delete', 'pod', pod, '--force', '--grace-period=0');
  });
}

/**
 * Fills the memory limit of a container, so that the kernel kills the largest of its processes. Many small programs fill
 * it: each `tail` keeps a line without an end.
 */
export async function outOfMemory(namespace: Namespace, pod: string, container: string): Promise<void> {
  const fill = 'for i in $(seq 60); do (head -c 25000000 /dev/zero | tail | sleep 20) & done; wait';
  // The shell dies with the container.
  await namespace.kubectl('exec', pod, '-c', container, '--', 'sh', '-c', fill).catch(() => undefined);
}

/** Ends a pod, and waits until it is gone (or has become another one of its name), and as many as before are ready. */
async function replace(namespace: Namespace, selector: string, name: string, end: () => Promise<void>): Promise<void> {
  // Pods that are being deleted are still in the list.
  const before = (await namespace.podList(selector)).filter(isReady);
  const uid = before.find(({ metadata }) => metadata.name === name)?.metadata.uid;
  await end();
  await eventually(
    async () => {
      const pods = await namespace.podList(selector);
      return pods.filter(isReady).length >= before.length && !pods.some(({ metadata }) => metadata.uid === uid);
    },
    { timeoutMs: REPLACED_MS, intervalMs: 300 },
  );
}

function isReady({ metadata, status }: PodState): boolean {
  const containers = status.containerStatuses ?? [];
  return metadata.deletionTimestamp === undefined && containers.length > 0 && containers.every(({ ready }) => ready);
}

/** The pod of ingest that has the most connections, and how many. Kept connections are not spread evenly. */
export async function busiest(namespace: Namespace, { selector, container }: Workload, port: number): Promise<Busiest> {
  // A line of /proc/net/tcp: the local address and port, the remote one, and the state (01: established), in hex.
  const established = new RegExp(
    `^\\s*\\d+: \\w+:${port.toString(16).toUpperCase().padStart(4, '0')} \\w+:\\w+ 01 `,
    'gm',
  );
  const pods = await Promise.all(
    (await namespace.podList(selector)).filter(isReady).map(async (pod) => {
      const table = await namespace.kubectl('exec', pod.metadata.name, '-c', container, '--', 'cat', '/proc/net/tcp');
      return { pod, connections: [...table.matchAll(established)].length };
    }),
  );
  const [first] = pods.toSorted((a, b) => b.connections - a.connections);
  if (first === undefined || first.connections === 0) throw new Error('no pod of ingest has a connection');
  return first;
}

export interface Busiest {
  readonly pod: PodState;
  readonly connections: number;
}

/** Waits until a container of the pod has been started again, and is ready. Resolves to why it ended before. */
export async function restarted(namespace: Namespace, pod: string, container: string): Promise<string> {
  return eventually(
    async () => {
      const { status } = await namespace.pod(pod);
      const state = status.containerStatuses?.find(({ name }) => name === container);
      if (state === undefined || state.restartCount === 0 || !state.ready) return false;
      return state.lastState.terminated?.reason ?? 'unknown';
    },
    { timeoutMs: REPLACED_MS, intervalMs: 300 },
  );
}
