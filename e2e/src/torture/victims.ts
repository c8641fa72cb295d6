import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagedProcess, Proxy } from '@sink/testing';
import { rssPeakBytes } from '../harness/memory.ts';
import type { Pipeline, Service, ServiceKind, Way } from '../harness/pipeline.ts';
import { type Fault, nameOf } from './plan.ts';
import type { TinyDisk } from '../harness/tiny-disk.ts';

/** How long a supervisor waits before it restarts a process that died by itself. */
const REVIVE_AFTER_MS = 500;
/** How long a slow Redis works between two stalls. */
const REDIS_AT_WORK_MS = 10;

/**
 * The victims of the faults. Each fault begins, lasts and ends independently of the others. A fault is skipped when
 * another fault has stopped or paused its process. Processes that die by themselves are recorded and restarted.
 */
export class Victims {
  readonly struck = new Map<string, number>();
  readonly died: string[] = [];
  readonly rssPeakBytes = new Map<ServiceKind, number>();
  readonly #sink: Pipeline;
  readonly #disk: TinyDisk | null;
  readonly #clocks: string;
  /** The processes that a fault holds. */
  readonly #busy = new Set<Service | 'redis' | 'disk'>();
  readonly #expected = new WeakSet<ManagedProcess>();
  #ended = false;

  constructor(sink: Pipeline, disk: TinyDisk | null, clocks: string) {
    this.#sink = sink;
    this.#disk = disk;
    this.#clocks = clocks;
    for (const service of sink.services) this.#watch(service);
  }

  /** Resolves when the fault is over. */
  async strike(fault: Fault, forMs: number): Promise<void> {
    const struck = await this.#strike(fault, forMs);
    const name = nameOf(fault);
    if (struck) this.struck.set(name, (this.struck.get(name) ?? 0) + 1);
  }

  /** From now on no process is restarted, and an exit does not count as a death. */
  end(): void {
    this.#ended = true;
    for (const service of this.#sink.services) this.#noteMemory(service);
  }

  async #strike(fault: Fault, forMs: number): Promise<boolean> {
    switch (fault.kind) {
      case 'kill':
      case 'terminate':
        return this.#alone(this.#service(fault.service), async (service) => {
          await this.#down(service, fault.kind === 'kill' ? 'SIGKILL' : 'SIGTERM');
          await sleep(forMs);
          await this.#up(service);
        });
      case 'pause':
        return this.#alone(this.#service(fault.service), async ({ process }) => {
          signalWithWorkers(process, 'SIGSTOP');
          await sleep(forMs);
          signalWithWorkers(process, 'SIGCONT');
        });
      case 'clock':
        this.#setClock(fault.service, fault.offsetMs);
        await sleep(forMs);
        this.#setClock(fault.service, 0);
        return true;
      case 'redis_kill':
        return this.#alone('redis', async () => {
          await this.#sink.redis.kill();
          await sleep(forMs);
          await this.#sink.redis.restart();
        });
      case 'redis_pause':
        return this.#alone('redis', async () => {
          this.#sink.redis.signal('SIGSTOP');
          await sleep(forMs);
          this.#sink.redis.signal('SIGCONT');
        });
      case 'redis_slow':
        return this.#alone('redis', async () => {
          const endMs = performance.now() + forMs;
          while (performance.now() < endMs) {
            this.#sink.redis.signal('SIGSTOP');
            await sleep(fault.stallMs);
            this.#sink.redis.signal('SIGCONT');
            await sleep(REDIS_AT_WORK_MS);
          }
        });
      case 'cut':
        this.#proxy(fault.service, fault.way).cut();
        return true;
      case 'refuse':
        await this.#proxy(fault.service, fault.way).refuse(true);
        await sleep(forMs);
        await this.#proxy(fault.service, fault.way).refuse(false);
        return true;
      case 'blackhole':
        this.#proxy(fault.service, fault.way).blackhole(true, fault.direction);
        await sleep(forMs);
        this.#proxy(fault.service, fault.way).blackhole(false, 'both');
        return true;
      case 'delay':
        this.#proxy(fault.service, fault.way).delay(fault.delayMs);
        await sleep(forMs);
        this.#proxy(fault.service, fault.way).delay(0);
        return true;
      case 's3': {
        const control = this.#sink.s3.control;
        const id = await control.addFault({ effect: fault.effect, share: fault.share });
        await sleep(forMs);
        await control.removeFault(id);
        return true;
      }
      case 'no_bucket':
        await this.#sink.s3.control.setBucketExists(false);
        await sleep(forMs);
        await this.#sink.s3.control.setBucketExists(true);
        return true;
      case 'disk_full': {
        const disk = this.#disk;
        if (disk === null) return false;
        return this.#alone('disk', async () => {
          disk.fill();
          await sleep(forMs);
          disk.free();
        });
      }
    }
  }

  /** False when another fault holds it. */
  async #alone<T extends Service | 'redis' | 'disk'>(victim: T, fault: (victim: T) => Promise<void>): Promise<boolean> {
    if (this.#busy.has(victim)) return false;
    this.#busy.add(victim);
    try {
      await fault(victim);
    } finally {
      this.#busy.delete(victim);
    }
    return true;
  }

  async #down(service: Service, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#noteMemory(service);
    this.#expected.add(service.process);
    await service.process.kill(signal);
  }

  async #up(service: Service): Promise<void> {
    await this.#sink.revive(service);
    this.#watch(service);
  }

  #watch(service: Service): void {
    const { process } = service;
    void process.exited.then(async ({ code, signal }) => {
      if (this.#expected.has(process) || this.#ended) return;
      this.died.push(`${service.name}: exit ${String(code ?? signal)}\n${process.output().slice(-2_000)}`);
      await sleep(REVIVE_AFTER_MS);
      if (service.process === process) await this.#up(service);
    });
  }

  #noteMemory({ kind, process }: Service): void {
    this.rssPeakBytes.set(kind, Math.max(rssPeakBytes(process), this.rssPeakBytes.get(kind) ?? 0));
  }

  #service(name: string): Service {
    const service = this.#sink.services.find((candidate) => candidate.name === name);
    if (!service) throw new Error(`striking ${name}: there is no such service`);
    return service;
  }

  #proxy(name: string, way: Way): Proxy {
    const proxy = this.#service(name).proxies[way];
    if (!proxy) throw new Error(`striking ${name}: it has no connection to ${way}`);
    return proxy;
  }

  #setClock(service: string, offsetMs: number): void {
    writeFileSync(join(this.#clocks, service), String(offsetMs));
  }
}

/**
 * Signals the process group, because a machine that hangs stops an ingest's workers too. Does nothing when it is gone.
 */
function signalWithWorkers({ pid }: ManagedProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
