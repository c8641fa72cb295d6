import type { AppendOutcome } from '@sink/ingest';
import { GROUP, laneKeys, leaseKey, type RedisPort } from '@sink/lane';
import { type Ingest, startBatcher, startIngest, startUploader, type WorldParts } from './actors.ts';
import { Jobs } from './jobs.ts';
import { Oracle } from './oracle.ts';
import { Bucket, SpoolDisk } from './ports.ts';
import { Random } from '../random.ts';
import { type Actor, Scheduler } from './scheduler.ts';

export interface SeedResult {
  readonly seed: number;
  /** Broken promises and invariants; none is what is expected. */
  readonly violations: readonly string[];
  readonly events: number;
  readonly objects: number;
}

export interface SeedOptions {
  readonly trace?: (line: string) => void;
}

const FAULTS = { lostRequest: 0.03, lostReply: 0.05, late: 0.04, doubled: 0.03 };
const QUIET_STEPS_MAX = 40_000;

/**
 * One world: a real Redis, two ingests, a batcher and an uploader a host, a bucket, a queue, disks; for some hundred steps
 * everything goes wrong that can, then nothing any more, and then every acknowledged event must stand in exactly one
 * object, and nothing may be left anywhere else.
 */
export async function runSeed(seed: number, redis: RedisPort, options: SeedOptions = {}): Promise<SeedResult> {
  const world = new World(seed, redis, options);
  await world.rage();
  await world.quiet();
  return world.judge();
}

class World {
  readonly #seed: number;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #redis: RedisPort;
  readonly #parts: WorldParts;
  readonly #oracle = new Oracle();
  readonly #actors: Actor[] = [];
  readonly #ingests: Ingest[] = [];
  readonly #stops = new Map<Actor, AbortController>();
  readonly #sent: (readonly string[])[] = [];
  #ids = 0;
  #submissions = 0;
  #submissionsMax: number;

  constructor(seed: number, redis: RedisPort, options: SeedOptions) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#redis = redis;
    this.#scheduler = new Scheduler(this.#random, FAULTS, options.trace ?? null);
    this.#submissionsMax = 20 + this.#random.below(25);
    const hosts = 1 + this.#random.below(3);
    this.#parts = {
      scheduler: this.#scheduler,
      random: this.#random,
      redis,
      sinkName: `model-${seed}`,
      bucket: new Bucket((violation) => this.#oracle.violate(violation)),
      jobs: new Jobs(),
      disks: Array.from({ length: hosts }, () => new SpoolDisk()),
      consumers: new Map(),
      flushSize: 3 + this.#random.below(5),
      dedupe: this.#random.chance(0.3),
      newId: (kind) => `${kind}-${this.#ids++}`,
      crash: (actor, error) => {
        this.#scheduler.note(
          `${actor.name} crashed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
        this.#oracle.violate(
          `crash: ${error instanceof Error ? error.message.replaceAll(/\d+-\d+|-\d+/g, '#') : String(error)}`,
        );
      },
    };
    for (let i = 0; i < 2; i++) this.#start('ingest', 0);
    for (let host = 0; host < hosts; host++) {
      this.#start('batcher', host);
      this.#start('uploader', host);
    }
    if (this.#random.chance(0.3)) this.#start('batcher', 0);
  }

  async rage(): Promise<void> {
    const steps = 500 + this.#random.below(500);
    for (let step = 0; step < steps; step++) {
      await this.#scheduler.step();
      if (this.#random.chance(0.08)) this.#submit();
      if (this.#parts.dedupe && this.#random.chance(0.05)) this.#sendAgain();
      await this.#disturb();
      if (step % 50 === 0) await this.#oracle.checkAlways(this.#redis, this.#keys, this.#parts.bucket);
    }
    await this.#oracle.checkAlways(this.#redis, this.#keys, this.#parts.bucket);
  }

  /** No more faults: the living finish the work, alone. */
  async quiet(): Promise<void> {
    await this.#scheduler.deliverAllLate();
    this.#scheduler.calm = true;
    for (const actor of this.#actors) actor.pausedSteps = 0;
    const stopping = this.#ingests.filter(({ actor }) => actor.alive).map(({ commit }) => commit.stop());
    let stopped = stopping.length === 0;
    void Promise.all(stopping).then(() => (stopped = true));
    for (let step = 0; step < QUIET_STEPS_MAX; step++) {
      await this.#scheduler.step();
      if (step % 50 !== 0) continue;
      this.#staffHosts();
      await this.#expireDeadLeases();
      this.#parts.jobs.stall(() => false);
      if (stopped && (await this.#oracle.leftovers(this.#redis, this.#keys, this.#parts)).length === 0) return;
    }
  }

  #staffHosts(): void {
    for (let host = 0; host < this.#parts.disks.length; host++) {
      for (const kind of ['batcher', 'uploader'] as const) {
        if (!this.#actors.some((actor) => actor.kind === kind && actor.host === host)) this.#start(kind, host);
      }
    }
  }

  async judge(): Promise<SeedResult> {
    const living = this.#actors.filter(({ kind }) => kind === 'batcher').length;
    for (const leftover of await this.#oracle.leftovers(this.#redis, this.#keys, this.#parts))
      this.#oracle.violate(`leak: ${leftover}`);
    const consumers = await this.#redis.call('XINFO', ['CONSUMERS', this.#keys.chunks, GROUP]);
    if (Array.isArray(consumers) && consumers.length > living) this.#oracle.violate('leak: consumers');
    this.#oracle.judge(this.#parts.bucket);
    for (const actor of this.#actors) actor.alive = false;
    const keys = await this.#redis.call('KEYS', [`*model-${this.#seed}*`]);
    if (Array.isArray(keys) && keys.length > 0) await this.#redis.call('DEL', keys.map(String));
    return {
      seed: this.#seed,
      violations: this.#oracle.violations,
      events: this.#oracle.events,
      objects: this.#parts.bucket.objects.size,
    };
  }

  get #keys() {
    return laneKeys(this.#parts.sinkName, 0);
  }

  #start(kind: Actor['kind'], host: number): void {
    const actor: Actor = { name: `${kind}${this.#ids++}`, kind, host, alive: true, pausedSteps: 0 };
    this.#actors.push(actor);
    switch (kind) {
      case 'ingest':
        this.#ingests.push(startIngest(this.#parts, actor));
        break;
      case 'batcher': {
        const stop = new AbortController();
        this.#stops.set(actor, stop);
        void startBatcher(this.#parts, actor, stop.signal).then(() => this.#remove(actor));
        break;
      }
      case 'uploader':
        void startUploader(this.#parts, actor);
        break;
    }
  }

  #remove(actor: Actor): void {
    actor.alive = false;
    const at = this.#actors.indexOf(actor);
    if (at !== -1) this.#actors.splice(at, 1);
  }

  #kill(actor: Actor): void {
    this.#scheduler.kill(actor);
    this.#remove(actor);
    if (actor.kind === 'batcher' && this.#random.chance(0.3)) this.#parts.disks[actor.host]?.folders.clear();
  }

  /** A broker's requests: one to five events, each with an id of its own. Once a request is refused, it is another one. */
  #submit(): void {
    if (this.#submissions >= this.#submissionsMax) return;
    this.#submissions += 1;
    const lines = Array.from({ length: 1 + this.#random.below(5) }, () => this.#oracle.newEvent());
    this.#sent.push(lines);
    this.#send(lines);
  }

  /** As a broker delivers more than once: what was not acknowledged, or was, or is still on its way. */
  #sendAgain(): void {
    const lines = this.#random.pick(this.#sent);
    if (lines) this.#send(lines);
  }

  #send(lines: readonly string[]): void {
    const ingest = this.#random.pick(this.#ingests.filter(({ actor }) => actor.alive));
    if (!ingest) return;
    const settled = (outcome: AppendOutcome): void => {
      if (!ingest.actor.alive) return;
      this.#scheduler.note(`${ingest.actor.name} answers ${outcome} for ${lines.join(' ')}`);
      if (outcome === 'stored') this.#oracle.acknowledge(lines);
    };
    ingest.commit.submit(lines, settled, 0);
  }

  async #disturb(): Promise<void> {
    const random = this.#random;
    const someone = random.pick(this.#actors);
    if (!someone) return;
    if (random.chance(0.02)) someone.pausedSteps = 5 + random.below(40);
    if (random.chance(0.012)) {
      this.#kill(someone);
      this.#start(someone.kind, someone.host);
    }
    if (random.chance(0.004)) this.#start('batcher', random.below(this.#parts.disks.length));
    if (random.chance(0.004) && someone.kind === 'batcher') this.#stops.get(someone)?.abort();
    if (random.chance(0.03)) await this.#dropLease();
    if (random.chance(0.02)) this.#parts.jobs.stall(() => random.chance(0.5));
    if (random.chance(0.1)) await this.#scheduler.deliverLate();
    if (random.chance(0.004)) await this.#forgetPending();
    if (random.chance(0.006)) await this.#redis.call('DEL', [this.#keys.writers]);
  }

  async #dropLease(): Promise<void> {
    const consumers = await this.#consumers();
    const victim = this.#random.pick(consumers);
    if (victim === undefined) return;
    this.#scheduler.note(`lease of ${victim} lapses`);
    await this.#redis.call('DEL', [leaseKey(this.#keys, victim)]);
  }

  /** What an operator's XGROUP DELCONSUMER, or a failover, does: delivered chunks are in nobody's pending list. */
  async #forgetPending(): Promise<void> {
    const victim = this.#random.pick(await this.#consumers());
    if (victim === undefined) return;
    this.#scheduler.note(`consumer ${victim} is deleted with what it has pending`);
    await this.#redis.call('XGROUP', ['DELCONSUMER', this.#keys.chunks, GROUP, victim]);
  }

  async #expireDeadLeases(): Promise<void> {
    const living = this.#actors.map((actor) => leaseKey(this.#keys, this.#parts.consumers.get(actor) ?? ''));
    const leases: unknown = await this.#redis.call('KEYS', [leaseKey(this.#keys, '*').replaceAll(/[{}]/g, '?')]);
    const lapsed = (Array.isArray(leases) ? leases.map(String) : []).filter((lease) => !living.includes(lease));
    if (lapsed.length > 0) await this.#redis.call('DEL', lapsed);
    await this.#redis.call('DEL', [this.#keys.writers]); // writers of killed ingests are retired
  }

  async #consumers(): Promise<string[]> {
    const info: unknown = await this.#redis.call('XINFO', ['CONSUMERS', this.#keys.chunks, GROUP]).catch(() => []);
    return Array.isArray(info) ? info.map((fields: unknown) => (Array.isArray(fields) ? String(fields[1]) : '')) : [];
  }
}
