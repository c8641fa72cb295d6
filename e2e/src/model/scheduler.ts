import { RedisInDoubt } from '@sink/lane';
import type { Random } from '../random.ts';

/** A process of the simulated world. Once it is killed, it gets no answer any more, and starts no further call. */
export interface Actor {
  readonly name: string;
  readonly kind: 'ingest' | 'batcher' | 'uploader';
  readonly host: number;
  alive: boolean;
  /** Steps for which it is suspended (a zombie); calls that it sent before may still be executed. */
  pausedSteps: number;
}

/** A call that an actor waits for. The scheduler chooses one of these at each step, and nothing else happens in the world. */
interface Parked {
  readonly actor: Actor;
  readonly name: string;
  readonly remote: boolean;
  readonly disk: boolean;
  readonly due: { readonly ms: number };
  readonly execute: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface Faults {
  readonly lostRequest: number;
  readonly lostReply: number;
  readonly late: number;
  readonly doubled: number;
}

/** A step takes less than this. */
const STEP_MS = 12;
/** How often an actor makes its next call to its disk in the same step. */
const DISK_CONTINUES = 0.8;
/** In the calm, time runs slowly for so many steps, so that calls of work come before the timers that look for more. */
const CALM_STEP_MS = 2;
const CALM_STEPS = 2_500;

/**
 * Runs the shipped code of all services in one process, under a schedule that a seed determines. Every await of that code
 * ends in a port, and every port parks its call here. The scheduler chooses one parked call, executes it on the real Redis,
 * and waits until all actors are parked again. A call may be lost before or after it is executed, be executed twice, or be
 * executed much later.
 */
export class Scheduler {
  nowMs = 1_790_000_000_000;
  calm = false;
  #calmSteps = 0;
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #parked: Parked[] = [];
  readonly #late: (() => Promise<unknown>)[] = [];
  readonly #trace: ((line: string) => void) | null;

  constructor(random: Random, faults: Faults, trace: ((line: string) => void) | null) {
    this.#random = random;
    this.#faults = faults;
    this.#trace = trace;
  }

  /** A call to Redis. */
  remote(actor: Actor, name: string, execute: () => Promise<unknown>): Promise<unknown> {
    return this.#park({ actor, name, remote: true, disk: false, due: { ms: this.nowMs }, execute });
  }

  /** A call on the actor's own machine, or to a service that answers in order. An actor may be killed before it; it is never lost. */
  async local<T>(actor: Actor, name: string, execute: () => T, disk = false): Promise<T> {
    let result: { value: T } | undefined;
    const call = async (): Promise<void> => {
      result = { value: execute() };
    };
    await this.#park({ actor, name, remote: false, disk, due: { ms: this.nowMs }, execute: call });
    if (!result) throw new Error(`${name} was not executed`);
    return result.value;
  }

  /** A call to the actor's disk. */
  disk<T>(actor: Actor, name: string, execute: () => T): Promise<T> {
    return this.local(actor, name, execute, true);
  }

  async sleep(actor: Actor, ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    const due = { ms: this.nowMs + ms };
    const wake = (): void => void (due.ms = this.nowMs);
    signal?.addEventListener('abort', wake);
    await this.#park({ actor, name: 'sleep', remote: false, disk: false, due, execute: async () => undefined });
    signal?.removeEventListener('abort', wake);
  }

  /** Calls back later; the returned function cancels that. */
  after(actor: Actor, ms: number, callback: () => void): () => void {
    let wanted = true;
    void this.sleep(actor, ms).then(() => {
      if (wanted) callback();
    });
    return () => {
      wanted = false;
    };
  }

  note(line: string): void {
    this.#trace?.(line);
  }

  kill(actor: Actor): void {
    this.note(`KILL ${actor.name}`);
    actor.alive = false;
    for (let i = this.#parked.length - 1; i >= 0; i--) {
      const parked = this.#parked[i];
      if (parked?.actor !== actor) continue;
      // Redis may still get a call that was sent.
      if (parked.remote && !this.calm && this.#random.chance(0.3)) this.#late.push(parked.execute);
      this.#parked.splice(i, 1);
    }
  }

  /** Executes one parked call; false if no actor can continue. */
  async step(): Promise<boolean> {
    const awake = this.#awake();
    if (awake.length === 0) return this.#parked.length > 0;
    if (this.calm) this.#calmSteps += 1;
    this.nowMs += this.#random.below(this.calm && this.#calmSteps <= CALM_STEPS ? CALM_STEP_MS : STEP_MS);
    let ready = dueBy(awake, this.nowMs);
    if (ready.length === 0) {
      this.nowMs = awake.reduce((first, { due }) => Math.min(first, due.ms), Infinity);
      ready = dueBy(awake, this.nowMs);
    }
    const chosen = this.#random.pick(ready);
    if (!chosen) return false;
    for (let call: Parked | undefined = chosen; call !== undefined; call = this.#continued(call)) {
      this.#parked.splice(this.#parked.indexOf(call), 1);
      await this.#perform(call);
      await settled();
    }
    return true;
  }

  /** The calls of actors that are not suspended. This and `dueBy` are all that a step computes, so they make little garbage. */
  #awake(): readonly Parked[] {
    const paused = new Set<Actor>();
    for (const { actor } of this.#parked) if (actor.pausedSteps > 0) paused.add(actor);
    if (paused.size === 0) return this.#parked;
    for (const actor of paused) actor.pausedSteps -= 1;
    return this.#parked.filter(({ actor }) => actor.pausedSteps === 0);
  }

  /** Calls to a disk are many and quick, so mostly an actor makes the next one in the same step. */
  #continued(done: Parked): Parked | undefined {
    if (!done.disk || !this.#random.chance(DISK_CONTINUES)) return undefined;
    return this.#parked.find(({ actor, disk }) => disk && actor === done.actor);
  }

  /** Executes one of the delayed calls. */
  async deliverLate(): Promise<void> {
    const [late] = this.#late.splice(this.#random.below(this.#late.length), 1);
    if (!late) return;
    this.note('late call is executed');
    await late().catch(() => undefined);
  }

  async deliverAllLate(): Promise<void> {
    while (this.#late.length > 0) await this.deliverLate();
  }

  async #perform(call: Parked): Promise<void> {
    if (this.#trace !== null) this.note(`${call.actor.name} ${call.name}`);
    const fate = this.calm || !call.remote ? 1 : this.#random.next();
    const { lostRequest, lostReply, late, doubled } = this.#faults;
    if (fate < lostRequest) return this.#lose(call, 'request lost');
    if (fate < lostRequest + late) {
      this.#late.push(call.execute);
      return this.#lose(call, 'delayed');
    }
    try {
      const value = await call.execute();
      if (fate < lostRequest + late + lostReply) return this.#lose(call, 'reply lost');
      if (fate < lostRequest + late + lostReply + doubled) this.#late.push(call.execute);
      call.resolve(value);
    } catch (error) {
      call.reject(error);
    }
  }

  #lose(call: Parked, how: string): void {
    this.note(`  ${how}`);
    call.reject(new RedisInDoubt(call.name));
  }

  #park(call: Omit<Parked, 'resolve' | 'reject'>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (call.actor.alive) this.#parked.push({ ...call, resolve, reject });
    });
  }
}

function dueBy(calls: readonly Parked[], nowMs: number): Parked[] {
  const due: Parked[] = [];
  for (const call of calls) if (call.due.ms <= nowMs) due.push(call);
  return due;
}

/** Resolves when all code that can run has run until its next port. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
