import type { UploadHandover } from '@sink/batcher';
import type { Actor, Scheduler } from './scheduler.ts';

interface Job {
  readonly lane: number;
  state: 'waiting' | 'active' | 'failed';
  by: Actor | null;
  attempts: number;
}

/** Attempts after which a simulated job is kept as failed, so that the sweep has something to revive. */
const ATTEMPTS_UNTIL_FAILED = 3;

/** The upload queue, as BullMQ behaves: one job an id, also while a failed one is kept; a stalled one waits again. */
export class Jobs {
  readonly all = new Map<string, Job>();

  port(scheduler: Scheduler, actor: Actor): UploadHandover {
    return {
      add: async (lane, segmentId) => {
        await scheduler.remote(actor, 'add job', async () => {
          this.add(lane, segmentId);
        });
      },
    };
  }

  add(lane: number, segmentId: string): void {
    if (!this.all.has(segmentId)) this.all.set(segmentId, { lane, state: 'waiting', by: null, attempts: 0 });
  }

  reviveFailed(): void {
    for (const job of this.all.values()) if (job.state === 'failed') job.state = 'waiting';
  }

  take(actor: Actor, choose: (ids: string[]) => string | undefined): string | undefined {
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

  /** Jobs whose worker is gone, and by mistake some whose worker is only slow, wait again. */
  stall(mistaken: () => boolean): void {
    for (const job of this.all.values()) {
      if (job.state === 'active' && (!job.by?.alive || mistaken())) Object.assign(job, { state: 'waiting', by: null });
    }
  }
}
