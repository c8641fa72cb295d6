import { type Arrival, CLASSES, classOf } from './arrival.ts';

export interface AdmissionSettings {
  /** How many bytes may be in flight. Above that, one body at a time may grow to its full size. */
  readonly maxInFlightBytes: number;
  /** How long a request waits for room, in milliseconds. */
  readonly holdMaxMs: number;
}

/** Time passes in ticks, and at each the loop has read what had arrived: a process that was held up blames no client. */
const TICK_MS = 50;
/** A body counts as slow if so few bytes came in so many ticks. It is refused only if its room is needed. */
const PROGRESS_BYTES = 8 * 1024;
const SLOW_TICKS = 4;
/** The one body that may go beyond the limits has to come faster: 256 KiB/s, seen over a second. */
const PRIVILEGED_BYTES_PER_TICK = (256 * 1024 * TICK_MS) / 1000;
const PRIVILEGED_TICKS_MIN = 1000 / TICK_MS;
/**
 * Where only larger bodies wait, slow ones give way at 8 MiB/s: else a crowd of slow clients that push each other out would
 * take the CPU time of all others, to read what is then refused.
 */
const GIVEN_WAY_BYTES_PER_TICK = (8 * 1024 * 1024 * TICK_MS) / 1000;
const URGENT_CLASSES = 2;

interface Waiter {
  readonly arrival: Arrival;
  readonly bytes: number;
  /** Memory that the request uses while it waits, beside what it holds. */
  readonly costBytes: number;
  readonly timer: NodeJS.Timeout;
  readonly granted: () => void;
  readonly refused: () => void;
}

/**
 * Bounds the memory of all requests together. A request takes room for its head and the first bytes of its body before they
 * are read, and for the rest as it arrives: what a client only announces takes no room.
 *
 * - Room that is needed is taken from bodies that come slowly, the longest silent first: they are refused.
 * - Bodies that wait for room to grow come before new requests, small ones before large ones, and within a class in their
 *   order. A large body leaves a part of the room to smaller ones.
 * - Bodies that are in part here could wait for each other for ever. So one of them is privileged: it gets what it asks for,
 *   until it is complete or too slow. Then it is the next one's turn, once the limit is kept again.
 *
 * So all requests hold `maxInFlightBytes` and one body more at most; those that wait use as much again (their heads, and what
 * Node has read of their bodies). A request is refused after `holdMaxMs`, or at once if more memory would be needed to wait.
 */
export class Admission {
  readonly #settings: AdmissionSettings;
  readonly #nowMs: () => number;
  /** Of each class, the bodies that wait to grow. */
  readonly #growing = CLASSES.map(() => new Set<Waiter>());
  readonly #entering = new Set<Waiter>();
  /** Bodies whose next bytes the client owes, the longest silent first. */
  readonly #reading = new Set<Arrival>();
  #privileged: Arrival | null = null;
  #privilegedTick = 0;
  /** What the privileged body got beyond the limits. */
  #privilegedBytes = 0;
  #usedBytes = 0;
  #waitingBytes = 0;
  #waiting = 0;
  #tick = 0;
  /** How many bytes of slow bodies may give way to larger ones now. */
  #giveWayBytes = GIVEN_WAY_BYTES_PER_TICK;
  #ticking: NodeJS.Timeout | null = null;

  constructor(settings: AdmissionSettings, nowMs: () => number) {
    this.#settings = settings;
    this.#nowMs = nowMs;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waitingRequests(): number {
    return this.#waiting;
  }

  nowMs(): number {
    return this.#nowMs();
  }

  /** Takes the first bytes of a new request, if there is room and no other waits for it. */
  tryEnter(arrival: Arrival, bytes: number): boolean {
    if (this.#waiting > 0 && (this.#entering.size > 0 || this.#growing[0]?.size !== 0)) return false;
    if (!this.#mayEnter(bytes)) return false;
    this.#take(arrival, bytes);
    return true;
  }

  /** Whether others wait for the room that this body will need: then it is not read for now. */
  isCrowded(arrival: Arrival): boolean {
    return this.#waiting > 0 && (this.#growing[classOf(arrival, 0)]?.size ?? 0) > 0;
  }

  /** Takes more for a body that has grown, if there is room and no other of its class or a smaller one waits for it. */
  tryGrow(arrival: Arrival, bytes: number): boolean {
    if (arrival === this.#privileged) {
      this.#privilegedBytes += bytes;
      this.#take(arrival, bytes);
      return true;
    }
    const size = classOf(arrival, bytes);
    if (this.#waiting > 0 && this.#growing.slice(0, size + 1).some((queue) => queue.size > 0)) return false;
    if (!this.#mayGrow(size, bytes)) return false;
    this.#take(arrival, bytes);
    return true;
  }

  /**
   * Waits for room: calls `granted` when the bytes are taken, or `refused` after `holdMaxMs`. The returned function ends the
   * wait without a call. Null: too many requests wait already.
   *
   * @param costBytes memory that the request uses while it waits
   */
  waitToEnter(
    arrival: Arrival,
    { bytes, costBytes }: { bytes: number; costBytes: number },
    granted: () => void,
    refused: () => void,
  ): (() => void) | null {
    if (!this.#bear(costBytes, 0)) return null;
    return this.#wait(this.#entering, { arrival, bytes, costBytes, granted, refused }, 0);
  }

  /** As `waitToEnter`, for a request that was let in, and has waited `heldMs` before. */
  waitToGrow(
    arrival: Arrival,
    { bytes, costBytes, heldMs }: { bytes: number; costBytes: number; heldMs: number },
    granted: () => void,
    refused: () => void,
  ): (() => void) | null {
    const size = classOf(arrival, bytes);
    const queue = this.#growing[size];
    if (queue === undefined || !this.#bear(costBytes, size)) return null;
    return this.#wait(queue, { arrival, bytes, costBytes, granted, refused }, heldMs);
  }

  /** From now on the client owes the next bytes of this body. */
  startReading(arrival: Arrival): void {
    arrival.progressTick = this.#tick;
    arrival.freshBytes = 0;
    this.#reading.add(arrival);
    this.#ticking ??= setInterval(() => this.#onTick(), TICK_MS);
  }

  /** Bytes of a body came that do not complete it. */
  progress(arrival: Arrival, bytes: number): void {
    arrival.freshBytes += bytes;
    if (arrival.freshBytes < PROGRESS_BYTES || !this.#reading.delete(arrival)) return;
    this.startReading(arrival);
  }

  stopReading(arrival: Arrival): void {
    this.#reading.delete(arrival);
  }

  /** The body takes no more room: it is complete. */
  completed(arrival: Arrival): void {
    if (arrival !== this.#privileged) return;
    this.#privileged = null;
    this.#privilegedBytes = 0;
    if (this.#waiting > 0) this.#letIn();
  }

  /** Gives back all that a request holds, and lets waiting ones in. */
  give(arrival: Arrival): void {
    this.#usedBytes -= arrival.heldBytes;
    arrival.heldBytes = 0;
    this.completed(arrival);
    if (this.#waiting > 0) this.#letIn();
  }

  #take(arrival: Arrival, bytes: number): void {
    arrival.heldBytes += bytes;
    this.#usedBytes += bytes;
  }

  #mayEnter(bytes: number): boolean {
    const { maxInFlightBytes } = this.#settings;
    return this.#usedBytes - this.#privilegedBytes + bytes <= maxInFlightBytes || this.#usedBytes === 0;
  }

  #mayGrow(size: number, bytes: number): boolean {
    const share = CLASSES[size]?.share ?? 0;
    return this.#usedBytes - this.#privilegedBytes + bytes <= share * this.#settings.maxInFlightBytes;
  }

  /** Whether there is memory for one more to wait. If need be, larger bodies that wait are refused, the last first. */
  #bear(costBytes: number, size: number): boolean {
    const fits = (): boolean =>
      this.#waiting === 0 || this.#waitingBytes + costBytes <= this.#settings.maxInFlightBytes;
    for (const queue of this.#growing.slice(size + 1).reverse()) {
      for (const waiter of [...queue].reverse()) {
        if (fits()) return true;
        this.#leave(queue, waiter);
        waiter.refused();
      }
    }
    return fits();
  }

  #wait(queue: Set<Waiter>, wish: Omit<Waiter, 'timer'>, heldMs: number): () => void {
    const cancel = (): void => {
      // The next request may need less room.
      if (this.#leave(queue, waiter)) this.#letIn();
    };
    const timer = setTimeout(() => {
      cancel();
      waiter.refused();
    }, this.#settings.holdMaxMs - heldMs);
    const waiter: Waiter = { ...wish, timer };
    queue.add(waiter);
    this.#waiting += 1;
    this.#waitingBytes += waiter.costBytes;
    this.#ticking ??= setInterval(() => this.#onTick(), TICK_MS);
    this.#evictSlow();
    return cancel;
  }

  #leave(queue: Set<Waiter>, waiter: Waiter): boolean {
    if (!queue.delete(waiter)) return false;
    clearTimeout(waiter.timer);
    this.#waiting -= 1;
    this.#waitingBytes -= waiter.costBytes;
    return true;
  }

  /** Lets waiting requests in: those that grow first, small bodies before large ones; then new ones. */
  #letIn(): void {
    for (const [size, queue] of this.#growing.entries()) {
      for (const waiter of queue) {
        if (!this.#mayGrow(size, waiter.bytes)) break;
        this.#grant(queue, waiter);
      }
    }
    this.#privilegeNext();
    if (this.#growing[0]?.size !== 0) return;
    for (const waiter of this.#entering) {
      if (!this.#mayEnter(waiter.bytes)) return;
      this.#grant(this.#entering, waiter);
    }
  }

  #grant(queue: Set<Waiter>, waiter: Waiter): void {
    this.#leave(queue, waiter);
    this.#take(waiter.arrival, waiter.bytes);
    waiter.granted();
  }

  /** Without it, bodies that are in part here might all wait for room that only a complete one gives back. */
  #privilegeNext(): void {
    if (this.#privileged !== null || this.#usedBytes > this.#settings.maxInFlightBytes) return;
    for (const queue of this.#growing) {
      for (const waiter of queue) {
        this.#privileged = waiter.arrival;
        this.#privilegedTick = this.#tick;
        this.#privilegedBytes = waiter.bytes;
        this.#grant(queue, waiter);
        return;
      }
    }
  }

  #onTick(): void {
    this.#tick += 1;
    this.#giveWayBytes = Math.min(this.#giveWayBytes + GIVEN_WAY_BYTES_PER_TICK, GIVEN_WAY_BYTES_PER_TICK);
    if (this.#waiting > 0) this.#evictSlow();
    else if (this.#reading.size === 0) {
      clearInterval(this.#ticking ?? undefined);
      this.#ticking = null;
    }
  }

  /** Refuses slow bodies as long as requests wait for the room that they hold. */
  #evictSlow(): void {
    this.#letIn();
    const privileged = this.#privileged;
    if (privileged !== null && this.#waiting > 0 && this.#isTooSlowForPrivilege(privileged)) privileged.evict();
    for (const arrival of this.#reading) {
      if (this.#waiting === 0 || this.#tick - arrival.progressTick < SLOW_TICKS) return;
      if (!this.#isUrgent() && this.#giveWayBytes <= 0) return;
      this.#giveWayBytes -= arrival.heldBytes;
      arrival.evict();
    }
  }

  #isUrgent(): boolean {
    return this.#entering.size > 0 || this.#growing.slice(0, URGENT_CLASSES).some((queue) => queue.size > 0);
  }

  #isTooSlowForPrivilege(arrival: Arrival): boolean {
    const ticks = this.#tick - this.#privilegedTick;
    const isReading = this.#reading.has(arrival);
    return isReading && ticks >= PRIVILEGED_TICKS_MIN && this.#privilegedBytes < ticks * PRIVILEGED_BYTES_PER_TICK;
  }
}
