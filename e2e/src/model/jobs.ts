import type { UploadJobs } from '@sink/uploader';
import type { Actor, Scheduler } from './scheduler.ts';

interface Job {
  readonly lane: number;
  state: 'waiting' | 'active' | 'failed';
  by: Actor | null;
  attempts: number;
}

/** Attempts after which a job is kept as failed, so that the sweep has something to revive. */
const ATTEMPTS_UNTIL_FAILED = 3;

/** An upload queue that behaves like BullMQ: one job per id, also while a failed one is kept; a stalled job waits again. */
export class Jobs {
  readonly all = new Map<string, Job>();
  #heldUntilMs = 0;

  /** The queue, as batchers and uploaders see it. Failed jobs are retried at once, so none is ever delayed. */
  port(scheduler: Scheduler, actor: Actor): UploadJobs {
    return {
      add: async (lane, segmentId) => {
        await scheduler.remote(actor, 'add job', async () => {
          if (!this.all.has(segmentId)) this.all.set(segmentId, { lane, state: 'waiting', by: null, attempts: 0 });
        });
      },
      has: (segmentIds) => scheduler.local(actor, 'look for jobs', () => segmentIds.map((id) => this.all.has(id))),
      reviveFailed: () => scheduler.local(actor, 'revive failed jobs', () => this.#reviveFailed()),
      holdFor: (holdMs) =>
        scheduler.local(actor, 'hold jobs', () => void (this.#heldUntilMs = scheduler.nowMs + holdMs)),
      endHold: () => scheduler.local(actor, 'end hold', () => void (this.#heldUntilMs = 0)),
      promoteDelayed: async () => undefined,
      counts: async () => ({ waiting: this.all.size, active: 0, delayed: 0, failed: 0 }),
    };
  }

  #reviveFailed(): number {
    const failed = [...this.all.values()].filter(({ state }) => state === 'failed');
    for (const job of failed) job.state = 'waiting';
    return failed.length;
  }

  take(actor: Actor, nowMs: number, choose: (ids: string[]) => string | undefined): string | undefined {
    if (nowMs < this.#heldUntilMs) return undefined;
    const id = choose([...this.all].filter(([, job]) => job.state === 'waiting').map(([jobId]) => jobId));
    const job = id === undefined ? undefined : this.all.get(id);
    if (job) Object.assign(job, { state: 'active', by: actor });
    return id;
  }

  done(actor: Actor, id: string): void {
    if (this.all.get(id)?.by === actor) this.all.delete(id);
  }

  fail(actor: Actor, id: string): void {
    const job = this.all.get(id);
    if (job?.by !== actor) return;
    job.attempts += 1;
    job.state = job.attempts % ATTEMPTS_UNTIL_FAILED === 0 ? 'failed' : 'waiting';
    job.by = null;
  }

  /** Jobs of killed workers wait again, and by mistake some jobs of workers that are only slow. */
  stall(mistaken: () => boolean): void {
    for (const job of this.all.values()) {
      if (job.state === 'active' && (!job.by?.alive || mistaken())) Object.assign(job, { state: 'waiting', by: null });
    }
  }
}
