import { type AppendOutcome, type Part, plainPart } from '@sink/ingest';
import { GROUP, laneKeys, leaseKey, type RedisPort, spoolLease } from '@sink/lane';
import { type Ingest, startIngest, type WorldParts } from './actors.ts';
import { startBatcher } from './batcher-actor.ts';
import { Jobs } from './jobs.ts';
import { EXPIRE_DEAD } from './looks.ts';
import type { ModelRedis, RedisFaults } from './model-redis.ts';
import { FREE_PLACES, NOT_COMPILED, Oracle, QUARANTINE } from './oracle.ts';
import { ModelDisk } from './model-disk.ts';
import { Bucket } from './ports.ts';
import { Random } from '../random.ts';
import { Replica } from './replica.ts';
import { type Actor, Scheduler } from './scheduler.ts';
import { startUploader } from './uploader-actor.ts';

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
/** A writer is retired although it is in use: by Redis' clock, every writer is idle for longer than this. */
const RETIRE_AT_ONCE_MS = -1;
/** How often processes are harmed: a world with less harm gets further, for instance to segments that are spilled. */
const HARM = [1, 0.3, 0.1];
/** Of the steps in which a replica lags: long enough for a seal that it lacks to become an object. */
const FAILS_OVER = 0.003;
/** The same for so many steps after a manifest was drawn up, because it is written soon after that. */
const DRAWN_STEPS = 40;
const FAILS_OVER_DRAWN = 0.05;
/** PUTs and marks in the time of the lag after which a failover comes at the latest. */
const KEPT_MAX = 8;
const QUIET_STEPS_MAX = 40_000;
/** One of eight worlds, in which a failover is sure to come, and probably between the list of a manifest and its PUT. */
function losesLists(seed: number): boolean {
  return seed % 8 === 5;
}

/** Worlds with requests that have several destinations. */
function hasSeveralPlaces(seed: number): boolean {
  return [1, 3, 4].includes(seed % 8);
}

/** What Redis answers to a script that it cannot compile, or that names a variable which does not exist. */
const NO_LUA = /compiling script|nonexistent global/;
/** Worlds in which Redis as a whole crashes or is full; the others may share one. */
const HARMS_REDIS = 0.1;

/** The Redis of a world; `faults` are needed by those that harm it. */
export type WorldRedis = Pick<ModelRedis, 'port'> & Partial<ModelRedis>;

/** Whether the world of this seed needs a Redis to itself. */
export function harmsRedis(seed: number): boolean {
  return new Random(seed).chance(HARMS_REDIS);
}

/**
 * One world: a real Redis, a bucket, and one or two sinks on them, each with two ingests, a batcher and an uploader on each
 * host, a queue and disks. For some hundred steps everything fails that can fail. Then nothing fails any more, and in the end
 * every acknowledged event must be in exactly one object, and nothing may be left elsewhere.
 */
export async function runSeed(seed: number, redis: WorldRedis, options: SeedOptions = {}): Promise<SeedResult> {
  const random = new Random(seed);
  const faults = random.chance(HARMS_REDIS) ? redis.faults : null;
  if (faults === undefined) throw new Error(`the world of seed ${seed} needs a Redis to itself`);
  const oracle = new Oracle();
  const shared: Shared = {
    ...{
      random,
      redis: compiling(redis.port, oracle),
      faults,
      oracle,
      ids: 0,
      full: false,
      losesLists: losesLists(seed),
      places: hasSeveralPlaces(seed) ? new Random(seed + 1) : null,
    },
    scheduler: new Scheduler(random, FAULTS, options.trace ?? null),
    bucket: new Bucket((violation) => oracle.violate(violation)),
  };
  const sinks = [new Sink(shared, `model-${seed}`)];
  if (random.chance(0.2)) sinks.push(new Sink(shared, `model-${seed}-b`));
  await rage(shared, sinks);
  await quiet(shared, sinks);
  for (const sink of sinks) await sink.judge();
  oracle.judge(shared.bucket);
  return { seed, violations: oracle.violations, events: oracle.events, objects: shared.bucket.objects.size };
}

/** A script that Redis cannot compile fails in ways that look like a broken rule, so it is reported by its own name as well. */
function compiling(redis: RedisPort, oracle: Oracle): RedisPort {
  return {
    run: (script, keys, args) => {
      const answer = redis.run(script, keys, args);
      answer.catch((error: unknown) => {
        if (NO_LUA.test(String(error))) oracle.violate(`${NOT_COMPILED}: ${script.name}`);
      });
      return answer;
    },
    call: (command, args, key) => redis.call(command, args, key),
    callBuffer: (command, args) => redis.callBuffer(command, args),
  };
}

/** What all sinks of a world share. */
interface Shared {
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly redis: RedisPort;
  readonly faults: RedisFaults | null;
  readonly oracle: Oracle;
  readonly bucket: Bucket;
  ids: number;
  /** Redis is at maxmemory. */
  full: boolean;
  readonly losesLists: boolean;
  /** Where the events of a request go, at random; null: all go the default way. */
  readonly places: Random | null;
}

async function rage(shared: Shared, sinks: readonly Sink[]): Promise<void> {
  const { random, scheduler, faults } = shared;
  const steps = 1_000 + random.below(1_000);
  const crashes = random.chance(0.5) ? 0.003 : 0;
  for (let step = 0; step < steps; step++) {
    await scheduler.step();
    for (const sink of sinks) await sink.live(step);
    harmBucket(shared);
    if (faults !== null) await harmRedis(shared, faults, crashes);
  }
  await faults?.free();
  shared.bucket.away = false;
  for (const sink of sinks) await sink.calmDown();
}

/** From time to time the bucket is away for some fifty steps. */
function harmBucket({ random, scheduler, bucket }: Shared): void {
  if (!random.chance(bucket.away ? 0.012 : 0.006)) return;
  bucket.away = !bucket.away;
  scheduler.note(`the bucket is ${bucket.away ? 'away' : 'back'}`);
}

async function harmRedis(shared: Shared, faults: RedisFaults, crashes: number): Promise<void> {
  const { random, scheduler } = shared;
  if (random.chance(crashes)) {
    scheduler.note('REDIS crashes, and starts again from its file');
    await faults.crash();
    shared.full = false;
  }
  if (random.chance(shared.full ? 0.05 : 0.006)) {
    shared.full = !shared.full;
    scheduler.note(`REDIS is ${shared.full ? 'full' : 'no longer full'}`);
    await (shared.full ? faults.fill() : faults.free());
  }
}

/** There are no faults any more, and the living processes finish the work. */
async function quiet({ scheduler }: Shared, sinks: readonly Sink[]): Promise<void> {
  await scheduler.deliverAllLate();
  scheduler.calm = true;
  for (const sink of sinks) sink.stopIngests();
  for (let step = 0; step < QUIET_STEPS_MAX; step++) {
    await scheduler.step();
    if (step % 50 !== 0) continue;
    let done = true;
    for (const sink of sinks) done = (await sink.finish()) && done;
    if (done) return;
  }
}

interface Request {
  readonly events: readonly string[];
  /** How many lines beside them are evidence of what was refused: others at each repetition. */
  readonly bad: number;
}

/** One sink of a world, its producers, and what happens to it. */
class Sink {
  readonly #shared: Shared;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #redis: RedisPort;
  readonly #parts: WorldParts;
  readonly #oracle: Oracle;
  readonly #actors: Actor[] = [];
  readonly #ingests: Ingest[] = [];
  readonly #stops = new Map<Actor, AbortController>();
  /** The events of each request, and the number of its lines that are evidence. */
  readonly #sent: Request[] = [];
  /** Null: there is no failover. */
  readonly #lagsAtStep: number | null;
  /** The number of things kept (`#kept`) at which a lagging replica becomes the primary. */
  #failsOverAt = 0;
  /** When a manifest was last drawn up that the replica lacks. */
  #drawnAtStep = -Infinity;
  #failovers = 0;
  #submissions = 0;
  #submissionsMax: number;
  #ingestsStopped = false;
  readonly #harm: number;
  readonly #fillsDisks: boolean;

  constructor(shared: Shared, sinkName: string) {
    const { random, scheduler, oracle } = shared;
    this.#shared = shared;
    this.#random = random;
    this.#redis = shared.redis;
    this.#scheduler = scheduler;
    this.#oracle = oracle;
    const failsOver = shared.losesLists;
    this.#submissionsMax = 20 + random.below(25);
    this.#harm = failsOver ? Math.min(...HARM) : (random.pick(HARM) ?? 1);
    this.#lagsAtStep =
      failsOver || random.chance(0.5) ? (failsOver ? 100 : 200) + random.below(failsOver ? 400 : 600) : null;
    this.#fillsDisks = random.chance(0.2);
    const hosts = 1 + random.below(3);
    const damaging = random.chance(0.3);
    const damages = (): boolean => damaging && random.chance(0.02);
    this.#parts = {
      ...{ scheduler, random, sinkName, bucket: shared.bucket, redis: this.#redis },
      jobs: new Jobs(),
      disks: Array.from({ length: hosts }, (_, host) => new ModelDisk(`disk-${host}`, damages)),
      spillAtBytes: random.chance(0.5) ? 1 + random.below(2_000) : null,
      writerIdleMsMax: random.chance(0.2) ? RETIRE_AT_ONCE_MS : 3_600_000,
      consumers: new Map(),
      flushSize: 3 + random.below(5),
      dedupe: random.chance(0.3),
      manifests: failsOver || random.chance(0.4),
      replica: new Replica(this.#redis, sinkName),
      barrier: { waitaof: false, replicas: failsOver || random.chance(0.5) ? 1 : 0, timeoutMs: 0 },
      failovers: () => this.#failovers,
      newId: (kind) => `${kind}-${shared.ids++}`,
      crash: (actor, error) => {
        scheduler.note(
          `${actor.name} crashed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
        oracle.violate(
          `crash: ${error instanceof Error ? error.message.replaceAll(/\d+-\d+|-\d+/g, '#') : String(error)}`,
        );
      },
    };
    for (let i = 0; i < 2; i++) this.#start('ingest', 0);
    for (let host = 0; host < hosts; host++) {
      this.#start('batcher', host);
      this.#start('uploader', host);
    }
    // Two on one disk: one spills what the other has sealed, and does not know yet whether that seal is durable.
    if (random.chance(0.5)) this.#start('batcher', 0);
    if (random.chance(0.2)) this.#start('uploader', 0);
  }

  /** What happens to the sink at one step of the world. */
  async live(step: number): Promise<void> {
    if (this.#random.chance(0.04)) this.#submit();
    if (this.#parts.dedupe && this.#random.chance(0.05)) this.#sendAgain();
    await this.#disturb();
    if (this.#lagsAtStep !== null) await this.#failOver(step);
    if (step % 50 === 0) await this.#check();
  }

  async calmDown(): Promise<void> {
    if (this.#parts.replica.lags) await this.#switchOver();
    await this.#check();
    for (const actor of this.#actors) actor.pausedSteps = 0;
    for (const disk of this.#parts.disks) disk.full = false;
  }

  stopIngests(): void {
    const stopping = this.#ingests.filter(({ actor }) => actor.alive).map(({ commit }) => commit.stop());
    this.#ingestsStopped = stopping.length === 0;
    void Promise.all(stopping).then(() => (this.#ingestsStopped = true));
  }

  /** Replaces processes that are missing, and lets the leases of dead ones expire; whether nothing is left to do. */
  async finish(): Promise<boolean> {
    this.#staffHosts();
    await this.#expireDeadLeases();
    for (const jobs of this.#allJobs) jobs.stall(() => false);
    return this.#ingestsStopped && (await this.#leftovers()).length === 0;
  }

  async judge(): Promise<void> {
    const living = this.#actors.filter(({ kind }) => kind === 'batcher').length;
    for (const leftover of await this.#leftovers()) this.#oracle.violate(`leak: ${leftover}`);
    const consumers = await this.#redis.call('XINFO', ['CONSUMERS', this.#keys.chunks, GROUP]);
    if (Array.isArray(consumers) && consumers.length > living) this.#oracle.violate('leak: consumers');
    if (this.#parts.manifests) await this.#oracle.judgeManifests(this.#redis, this.#keys, this.#parts);
    for (const actor of this.#actors) actor.alive = false;
    const keys = await this.#redis.call('KEYS', [`?${this.#parts.sinkName}[:}]*`]);
    if (Array.isArray(keys) && keys.length > 0) await this.#redis.call('DEL', keys.map(String));
  }

  /**
   * A failover to a replica that lags. Where writes wait for the replica, it loses nothing, and comes at any time. Elsewhere it
   * loses seals whose objects are in the bucket: what is sealed again may be in two objects, and nothing else may go wrong.
   * There nothing is appended while the replica lags, because it would be lost, as documented.
   */
  async #failOver(step: number): Promise<void> {
    const { replica, barrier } = this.#parts;
    const waits = barrier.replicas > 0;
    if (step === this.#lagsAtStep) {
      this.#scheduler.note(`the replica of ${this.#parts.sinkName} lags from here on`);
      this.#failsOverAt = this.#kept + (waits ? 1 + this.#random.below(KEPT_MAX) : 2);
      await replica.lag();
    }
    if (!replica.lags) return;
    if (replica.takeNewest() === 'drawManifest') this.#drawnAtStep = step;
    const isDrawn = this.#shared.losesLists && step - this.#drawnAtStep <= DRAWN_STEPS;
    const chance = isDrawn ? FAILS_OVER_DRAWN : FAILS_OVER;
    const due = this.#kept >= this.#failsOverAt || (waits && this.#random.chance(chance));
    if (due && !this.#shared.full) return this.#switchOver();
    if (!waits) for (const { actor } of this.#ingests) actor.pausedSteps = 2;
  }

  /** What was done outside of Redis, so that no failover takes it back: objects, manifests, and marks of files. */
  get #kept(): number {
    const { bucket, disks } = this.#parts;
    return bucket.objects.size + bucket.manifests.size + disks.reduce((sum, { marks }) => sum + marks, 0);
  }

  async #switchOver(): Promise<void> {
    const { sinkName, replica, barrier } = this.#parts;
    this.#scheduler.note(`FAILOVER of ${sinkName}`);
    this.#failovers += 1;
    this.#oracle.failOver(sinkName, barrier.replicas > 0 ? 'nothing_lost' : 'writes_lost');
    await replica.failOver();
  }

  #check(): Promise<void> {
    return this.#oracle.checkAlways(this.#redis, this.#keys, this.#parts);
  }

  #leftovers(): Promise<string[]> {
    return this.#oracle.leftovers(this.#redis, this.#keys, this.#parts);
  }

  #staffHosts(): void {
    for (let host = 0; host < this.#parts.disks.length; host++) {
      for (const kind of ['batcher', 'uploader'] as const) {
        if (!this.#actors.some((actor) => actor.kind === kind && actor.host === host)) this.#start(kind, host);
      }
    }
  }

  get #allJobs(): Jobs[] {
    return [this.#parts.jobs, ...this.#parts.disks.map(({ spilledJobs }) => spilledJobs)];
  }

  get #keys() {
    return laneKeys(this.#parts.sinkName, 0);
  }

  #start(kind: Actor['kind'], host: number): void {
    const actor: Actor = { name: `${kind}${this.#shared.ids++}`, kind, host, alive: true, pausedSteps: 0 };
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
  }

  /** A producer's request: one to five events, each with an id of its own. */
  #submit(): void {
    if (this.#submissions >= this.#submissionsMax) return;
    this.#submissions += 1;
    const { places } = this.#shared;
    const count = 1 + this.#random.below(5);
    const bad = places ? places.below(count + 1) : 0;
    const events = Array.from({ length: count - bad }, () => {
      const place = this.#hasFreePlaces && places?.chance(0.5) === true ? places.pick(FREE_PLACES) : undefined;
      return this.#oracle.newEvent(this.#parts.sinkName, place);
    });
    const request = { events, bad };
    this.#sent.push(request);
    this.#send(request);
  }

  /** A producer sends a request again: one that was acknowledged, one that was not, or one that has no answer yet. */
  #sendAgain(): void {
    const request = this.#random.pick(this.#sent);
    if (request) this.#send(request);
  }

  #send({ events, bad }: Request): void {
    const ingest = this.#random.pick(this.#ingests.filter(({ actor }) => actor.alive));
    if (!ingest) return;
    const evidence = Array.from({ length: bad }, () => this.#oracle.newEvent(this.#parts.sinkName, QUARANTINE));
    const lines = [...events, ...evidence];
    this.#oracle.sent({ events, evidence });
    const settled = (outcome: AppendOutcome): void => {
      if (!ingest.actor.alive) return;
      this.#scheduler.note(`${ingest.actor.name} answers ${outcome} for ${lines.join(' ')}`);
      if (outcome === 'stored') this.#oracle.acknowledge(lines);
    };
    const parts = this.#shared.places ? lines.map((line) => this.#partOf(line)) : [plainPart(lines)];
    ingest.commit.appender.submit(parts, settled, 0);
  }

  /** The manifest of a place that is no slot of time waits for many objects. */
  get #hasFreePlaces(): boolean {
    return !this.#parts.manifests;
  }

  #partOf(line: string): Part {
    const place = this.#oracle.placeOf(line);
    return { ...place, lines: [line], dedupe: place !== QUARANTINE };
  }

  async #disturb(): Promise<void> {
    const random = this.#random;
    const victim = random.pick(this.#actors);
    if (!victim) return;
    if (random.chance(0.02 * this.#harm)) victim.pausedSteps = 5 + random.below(40);
    if (random.chance(0.012 * this.#harm)) {
      this.#kill(victim);
      this.#start(victim.kind, victim.host);
    }
    if (random.chance(0.004)) this.#start('batcher', random.below(this.#parts.disks.length));
    if (random.chance(0.004) && victim.kind === 'batcher') this.#stops.get(victim)?.abort();
    if (random.chance(0.03 * this.#harm)) await this.#dropLease();
    if (random.chance(0.02)) for (const jobs of this.#allJobs) jobs.stall(() => random.chance(0.5));
    if (random.chance(0.1)) await this.#scheduler.deliverLate();
    if (random.chance(0.004)) await this.#forgetPending(); // rule: world.forget-pending
    if (random.chance(0.008)) this.#clearDisk();
    if (this.#fillsDisks) this.#fillDisk();
    if (random.chance(0.003)) this.#losePower(random.below(this.#parts.disks.length));
    if (random.chance(0.006)) await this.#redis.call('DEL', [this.#keys.writers]);
  }

  /** The machine loses power and starts again, without its processes and without what was not durable on its disk. */
  #losePower(host: number): void {
    this.#scheduler.note(`host ${host} LOSES POWER`);
    const here = this.#actors.filter((actor) => actor.host === host);
    for (const actor of here) this.#kill(actor);
    this.#parts.disks[host]?.losePower(this.#random);
    for (const { kind } of here) this.#start(kind, host);
  }

  #clearDisk(): void {
    const disk = this.#random.pick(this.#parts.disks);
    this.#scheduler.note(`spool of ${disk?.spoolId} is cleared of what is stored elsewhere too`);
    disk?.clearSuperfluous();
  }

  /** From time to time a disk is full for some thirty steps. */
  #fillDisk(): void {
    const disk = this.#random.pick(this.#parts.disks);
    if (disk === undefined || !this.#random.chance(disk.full ? 0.03 : 0.005)) return;
    disk.full = !disk.full;
    this.#scheduler.note(`disk of ${disk.spoolId} is ${disk.full ? 'full' : 'no longer full'}`);
  }

  async #dropLease(): Promise<void> {
    const consumers = await this.#consumers();
    const victim = this.#random.pick(consumers);
    if (victim === undefined) return;
    this.#scheduler.note(`lease of ${victim} expires`);
    await this.#redis.call('DEL', [leaseKey(this.#keys, victim)]);
  }

  /** As after an operator's XGROUP DELCONSUMER, or a failover: delivered chunks are in no pending list. */
  async #forgetPending(): Promise<void> {
    const victim = this.#random.pick(await this.#consumers());
    if (victim === undefined) return;
    this.#scheduler.note(`consumer ${victim} is deleted with what it has pending`);
    await this.#redis.call('XGROUP', ['DELCONSUMER', this.#keys.chunks, GROUP, victim]);
  }

  async #expireDeadLeases(): Promise<void> {
    const consumers = this.#actors.map((actor) => this.#parts.consumers.get(actor) ?? '');
    // Each host has an uploader in the end.
    const spools = this.#parts.disks.map(({ spoolId }) => spoolLease(spoolId));
    const living = [...consumers, ...spools].map((name) => leaseKey(this.#keys, name));
    const leases = leaseKey(this.#keys, '*').replaceAll(/[{}]/g, '?');
    await this.#redis.run(EXPIRE_DEAD, [], [leases, ...living]);
  }

  async #consumers(): Promise<string[]> {
    const info: unknown = await this.#redis.call('XINFO', ['CONSUMERS', this.#keys.chunks, GROUP]).catch(() => []);
    return Array.isArray(info) ? info.map((fields: unknown) => (Array.isArray(fields) ? String(fields[1]) : '')) : [];
  }
}
