export interface AdmissionOptions {
  /** How many bytes may be in flight. One request that is larger is let in when it is alone. */
  limitBytes: number;
  /** How long a request is held while there is no room, in milliseconds. */
  holdMaxMs: number;
  nowMs: () => number;
}

/** A request whose body is being read. */
export interface Reader {
  /** Since when, and how many bytes have come since. */
  sinceMs: number;
  bytes: number;
  /** True while it waits for room itself, and is not to blame. */
  paused: boolean;
  evict: () => void;
}

/** While others wait for room, a body has to come at this speed, or makes way for them. */
const BYTES_PER_SECOND_MIN = 256 * 1024;
const READING_MS_MIN = 1000;
const EVICTION_EVERY_MS = 250;

interface Waiter {
  bytes: number;
  costBytes: number;
  /** What this request has in flight already: it may grow above the limit when it is alone. */
  ownBytes: number;
  timer: NodeJS.Timeout;
  granted: () => void;
}

/**
 * Bounds the memory of all requests together: a body is read only when there is room for it. Whoever finds none waits in
 * the order of arrival, and is refused after `holdMaxMs`, or at once when those who wait hold too much themselves (the
 * heads of their requests, and what Node has read of their bodies by then).
 *
 * Requests that have been let in and grow (chunked, compressed) come before new ones: they can only give back what they
 * hold by getting done. And while anybody waits, bodies that trickle in are sent away, the slowest first: a few slow
 * clients must not keep all others out.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #growing = new Set<Waiter>();
  readonly #arriving = new Set<Waiter>();
  readonly #readers = new Set<Reader>();
  #usedBytes = 0;
  #waitingBytes = 0;
  #eviction: NodeJS.Timeout | null = null;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waitingRequests(): number {
    return this.#growing.size + this.#arriving.size;
  }

  /** The clock that `Reader.sinceMs` is read from. */
  nowMs(): number {
    return this.#options.nowMs();
  }

  /** Takes the bytes if there is room and nobody waits. */
  tryTake(bytes: number): boolean {
    if (this.#arriving.size > 0 || this.#growing.size > 0 || !this.#fits(bytes, 0)) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Takes more for a request that holds `ownBytes`, if there is room and no other is waiting to grow. */
  tryGrow(bytes: number, ownBytes: number): boolean {
    if (this.#growing.size > 0 || !this.#fits(bytes, ownBytes)) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /**
   * Waits for room: `granted` is called when the bytes are taken, `refused` when the hold is over. The function it
   * returns ends the waiting without a call. Null: too many wait already.
   *
   * @param costBytes what the request holds in memory while it waits
   */
  waitToEnter(bytes: number, costBytes: number, granted: () => void, refused: () => void): (() => void) | null {
    const alone = this.#arriving.size === 0;
    if (!alone && this.#waitingBytes + costBytes > this.#options.limitBytes) return null;
    return this.#wait(this.#arriving, { bytes, costBytes, ownBytes: 0, granted }, refused);
  }

  /** As `waitToEnter`, for more bytes of a request that was let in, holds `ownBytes`, and has waited `heldMs` before. */
  waitToGrow(
    bytes: number,
    { ownBytes, heldMs }: { ownBytes: number; heldMs: number },
    granted: () => void,
    refused: () => void,
  ): () => void {
    return this.#wait(this.#growing, { bytes, costBytes: 0, ownBytes, granted }, refused, heldMs);
  }

  /** Gives bytes back and lets in who waits. */
  give(bytes: number): void {
    this.#usedBytes -= bytes;
    if (this.#growing.size > 0 || this.#arriving.size > 0) this.#letIn();
  }

  startReading(reader: Reader): void {
    this.#readers.add(reader);
  }

  stopReading(reader: Reader): void {
    this.#readers.delete(reader);
  }

  #fits(bytes: number, ownBytes: number): boolean {
    return this.#usedBytes + bytes <= this.#options.limitBytes || this.#usedBytes === ownBytes;
  }

  #wait(queue: Set<Waiter>, wish: Omit<Waiter, 'timer'>, refused: () => void, heldMs = 0): () => void {
    const cancel = (): void => {
      clearTimeout(waiter.timer);
      if (!queue.delete(waiter)) return;
      this.#waitingBytes -= waiter.costBytes;
      // Whoever comes next may need less.
      this.#letIn();
    };
    const timer = setTimeout(() => {
      cancel();
      refused();
    }, this.#options.holdMaxMs - heldMs);
    const waiter: Waiter = { ...wish, timer };
    queue.add(waiter);
    this.#waitingBytes += waiter.costBytes;
    this.#eviction ??= setInterval(() => this.#evictSlowest(), EVICTION_EVERY_MS);
    return cancel;
  }

  #letIn(): void {
    for (const queue of [this.#growing, this.#arriving]) {
      for (const waiter of queue) {
        if (!this.#fits(waiter.bytes, waiter.ownBytes)) return;
        queue.delete(waiter);
        clearTimeout(waiter.timer);
        this.#waitingBytes -= waiter.costBytes;
        this.#usedBytes += waiter.bytes;
        waiter.granted();
      }
    }
  }

  #evictSlowest(): void {
    if (this.waitingRequests === 0) {
      clearInterval(this.#eviction ?? undefined);
      this.#eviction = null;
      return;
    }
    const nowMs = this.#options.nowMs();
    let slowest: Reader | null = null;
    let lowest = BYTES_PER_SECOND_MIN;
    for (const reader of this.#readers) {
      const readingMs = nowMs - reader.sinceMs;
      const bytesPerSecond = (reader.bytes / readingMs) * 1000;
      if (reader.paused || readingMs < READING_MS_MIN || bytesPerSecond >= lowest) continue;
      slowest = reader;
      lowest = bytesPerSecond;
    }
    slowest?.evict();
  }
}
