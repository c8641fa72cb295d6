/**
 * A thread that wakes its parent at short intervals, because the timers of an event loop are accurate to a millisecond.
 */
import { parentPort } from 'node:worker_threads';

const TICK_MS = 0.25;

const never = new Int32Array(new SharedArrayBuffer(4));
for (;;) {
  Atomics.wait(never, 0, 0, TICK_MS);
  parentPort?.postMessage(null);
}
