export interface AdmissionSettings {
  /** How many bytes may be in flight. A larger request is let in when it is alone. */
  readonly maxInFlightBytes: number;
  /** How long a request waits for room, in milliseconds. */
  readonly holdMaxMs: number;
}

/** A request whose body is being read. */
export interface Reader {
  /** Since when its speed is measured, and how many bytes have come since. */
  sinceMs: number;
  bytes: number;
  /** True while it waits for room itself: its client is not to blame. */
  paused: boolean;
  evict: () => void;
}

/** While other requests wait for room, a body that arrives more slowly is refused. */
const BYTES_PER_SECOND_MIN = 256 * 1024;
const READING_MS_MIN = 1000;
const EVICTION_EVERY_MS = 250;

interface Waiter {
  bytes: number;
  costBytes: number;
  /** Bytes of this request that are in flight already: it may grow above the limit when it is alone. */
  ownBytes: number;
  timer: NodeJS.Timeout;
  granted: () => void;
}

/**
 * Bounds the memory of all requests together: a body is read only when there is room for it. Requests wait for room in the
 * order of arrival. A request is refused after `holdMaxMs`, or at once if the waiting ones hold too much memory themselves
 * (their heads, and what Node has read of their bodies).
 *
 * Requests that were let in and grow (chunked, compressed) come before new ones, because only finished requests give bytes
 * back. And while any request waits, bodies that trickle in are refused, the slowest first: a few slow clients must not keep
 * all others out.
 */
export class Admission {
  readonly #settings: AdmissionSettings;
  readonly #nowMs: () => number;
  readonly #growing = new Set<Waiter>();
  readonly #arriving = new Set<Waiter>();
  readonly #readers = new Set<Reader>();
  #usedBytes = 0;
  #waitingBytes = 0;
  #eviction: NodeJS.Timeout | null = null;

  constructor(settings: AdmissionSettings, nowMs: () => number) {
    this.#settings = settings;
    this.#nowMs = nowMs;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waitingRequests(): number {
    return this.#growing.size + this.#arriving.size;
  }

  /** The clock that `Reader.sinceMs` is read from. */
  nowMs(): number {
    return this.#nowMs();
  }

  /** Takes the bytes if there is room and no request waits. */
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
   * Waits for room: calls `granted` when the bytes are taken, or `refused` after `holdMaxMs`. The returned function ends the
   * wait without a call. Null: too many requests wait already.
   *
   * @param costBytes memory that the request uses while it waits
   */
  waitToEnter(bytes: number, costBytes: number, granted: () => void, refused: () => void): (() => void) | null {
    const alone = this.#arriving.size === 0;
    if (!alone && this.#waitingBytes + costBytes > this.#settings.maxInFlightBytes) return null;
    return this.#wait(this.#arriving, { bytes, costBytes, ownBytes: 0, granted }, refused);
  }

  /** As `waitToEnter`, for a request that was let in, holds `ownBytes`, and has waited `heldMs` before. */
  waitToGrow(
    bytes: number,
    { ownBytes, heldMs }: { ownBytes: number; heldMs: number },
    granted: () => void,
    refused: () => void,
  ): () => void {
    return this.#wait(this.#growing, { bytes, costBytes: 0, ownBytes, granted }, refused, heldMs);
  }

  /** Gives bytes back and lets waiting requests in. */
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
    return this.#usedBytes + bytes <= this.#settings.maxInFlightBytes || this.#usedBytes === ownBytes;
  }

  #wait(queue: Set<Waiter>, wish: Omit<Waiter, 'timer'>, refused: () => void, heldMs = 0): () => void {
    const cancel = (): void => {
      clearTimeout(waiter.timer);
      if (!queue.delete(waiter)) return;
      this.#waitingBytes -= waiter.costBytes;
      // The next request may need less room.
      this.#letIn();
    };
    const timer = setTimeout(() => {
      cancel();
      refused();
    }, this.#settings.holdMaxMs - heldMs);
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
    const nowMs = this.#nowMs();
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
