/** What a cache keeps, and for how long. */
export interface Kept<Value> {
  readonly value: Value;
  /** 0: it is not kept. */
  readonly lifeMs: number;
  /** Whether it is loaded again before it expires, when it is used late in its life: then no request waits for it. */
  readonly renewed: boolean;
  readonly bytes: number;
}

export interface CacheSettings<Value> {
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly nowMs: () => number;
  /** If it rejects, nothing changes. @param before what was kept until now, which may have expired */
  readonly load: (key: string, before: Value | undefined) => Promise<Kept<Value>>;
}

/** The part of its life after which a value is renewed. */
const RENEW_AFTER = 0.8;

interface Entry<Value> extends Kept<Value> {
  readonly renewAtMs: number;
  readonly expiresAtMs: number;
  /** Since the last round of the eviction. */
  used: boolean;
}

/**
 * Keeps what was loaded within bounds of count and bytes. All that want a value at the same time wait for one load. What was
 * not used for longest has to make room, roughly: those used since the last round get another one (second chance).
 */
export class SharedCache<Value> {
  readonly #settings: CacheSettings<Value>;
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #loads = new Map<string, Promise<Value>>();
  /** Rises when something is dropped: what is being loaded then may be of before. */
  #generation = 0;
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(settings: CacheSettings<Value>) {
    this.#settings = settings;
  }

  get counts(): { readonly entries: number; readonly bytes: number; readonly hits: number; readonly misses: number } {
    return { entries: this.#entries.size, bytes: this.#bytes, hits: this.#hits, misses: this.#misses };
  }

  /** What is kept and has not expired. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    const nowMs = this.#settings.nowMs();
    if (entry === undefined || nowMs >= entry.expiresAtMs) {
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    entry.used = true;
    // What cannot be renewed expires.
    if (nowMs >= entry.renewAtMs) this.load(key).catch(() => undefined);
    return entry.value;
  }

  /** Loads a value, or waits with others for one that is being loaded. @throws what `load` of the settings throws */
  load(key: string): Promise<Value> {
    const loading = this.#loads.get(key);
    if (loading !== undefined) return loading;
    const load = this.#load(key);
    this.#loads.set(key, load);
    return load;
  }

  /** Forgets what `concerns`, and what is being loaded. */
  drop(concerns: (value: Value) => boolean): void {
    this.#generation += 1;
    this.#loads.clear();
    for (const [key, { value }] of this.#entries) if (concerns(value)) this.#remove(key);
  }

  async #load(key: string): Promise<Value> {
    const generation = this.#generation;
    const kept = await this.#loaded(key, generation);
    if (generation !== this.#generation) return kept.value;
    this.#remove(key);
    const nowMs = this.#settings.nowMs();
    const { lifeMs, renewed } = kept;
    if (lifeMs <= 0) return kept.value;
    this.#entries.set(key, {
      ...kept,
      renewAtMs: renewed ? nowMs + lifeMs * RENEW_AFTER : Infinity,
      expiresAtMs: nowMs + lifeMs,
      used: false,
    });
    this.#bytes += kept.bytes;
    this.#makeRoom(key);
    return kept.value;
  }

  async #loaded(key: string, generation: number): Promise<Kept<Value>> {
    try {
      return await this.#settings.load(key, this.#entries.get(key)?.value);
    } finally {
      // After a drop, another load may have its place.
      if (generation === this.#generation) this.#loads.delete(key);
    }
  }

  #makeRoom(newest: string): void {
    const { entriesMax, bytesMax } = this.#settings;
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= entriesMax && this.#bytes <= bytesMax) return;
      if (key === newest) continue;
      if (!entry.used) this.#remove(key);
      else {
        // To the end of the order, where this loop comes by again.
        entry.used = false;
        this.#entries.delete(key);
        this.#entries.set(key, entry);
      }
    }
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || !this.#entries.delete(key)) return;
    this.#bytes -= entry.bytes;
  }
}
