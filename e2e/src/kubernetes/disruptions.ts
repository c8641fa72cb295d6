import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@sink/testing';
import type { Release, Workload } from './chart.ts';
import { type Namespace, run } from './kubectl.ts';

/** How long a pod may take until another one is ready in its place. */
const REPLACED_MS = 180_000;
/** How long the sink has to do with what a drain has left of it. */
const CORDONED_MS = 8_000;

/** Evicts each pod of a workload, as a drain does, and waits for the one in its place before the next. */
export async function evictEach(namespace: Namespace, { selector }: Pick<Workload, 'selector'>): Promise<void> {
  const pods = await namespace.pods(selector);
  for (const pod of pods) {
    // A budget may not allow it at once: kubectl drain asks again, too.
    await eventually(() => namespace.evict(pod), { timeoutMs: REPLACED_MS, intervalMs: 1_000 });
    await replaced(namespace, selector, pod, pods.length);
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

/** Deletes a pod without any grace: its processes are killed. */
export async function deleteByForce(namespace: Namespace, pod: string): Promise<void> {
  await namespace.kubectl('delete', 'pod', pod, '--force', '--grace-period=0');
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

/** Waits until that pod is gone (or has become another one of its name), and as many as before are ready. */
export async function replaced(namespace: Namespace, selector: string, pod: string, count: number): Promise<void> {
  const uid = (await namespace.podList(selector)).find(({ metadata }) => metadata.name === pod)?.metadata.uid;
  await eventually(
    async () => {
      const pods = await namespace.podList(selector);
      const ready = pods.filter(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined &&
          status.containerStatuses?.length !== undefined &&
          status.containerStatuses.every((container) => container.ready),
      );
      return ready.length >= count && !pods.some(({ metadata }) => metadata.uid === uid);
    },
    { timeoutMs: REPLACED_MS, intervalMs: 300 },
  );
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
