/** A producer may have this part of what is free: alone it gets a third of all, and beside a greedy one still two ninths. */
const FREE_PART = 1 / 2;

/** Takes the place of a producer for bodies whose signature is not verified yet: no producer has this name. */
export const UNVERIFIED = '_unverified';

/** What one request holds of its producer's part of `max_in_flight_bytes`. */
export interface BodyRoom {
  /**
   * Raises what it holds to so many bytes: those of its body that are here, or that it announces. False: its producer has its
   * part already, and nothing was taken. A request that is its producer's only one always gets it.
   */
  hold(bytes: number): boolean;
  /** What it holds counts for another producer from now on. False: that one has its part already, and nothing was moved. */
  moveTo(producer: string): boolean;
  release(): void;
}

/**
 * Bounds what each producer holds of `max_in_flight_bytes`, so that one with many, large or slow bodies always leaves room for
 * the others: a producer gets more only while it has less than half of what is free (the dynamic threshold of switches that
 * share a buffer). So nobody has to say how many producers send at a time.
 *
 * It bounds shares only. How much all bodies may hold, which of them are slow, and which wait, is up to Admission.
 */
export class BodyRooms {
  readonly #settings: { readonly maxInFlightBytes: number };
  readonly #producers: () => number;
  readonly #bytesOf = new Map<string, number>();
  #bytes = 0;

  /** @param producers how many there are: with one, there are no others */
  constructor(settings: { readonly maxInFlightBytes: number }, producers: () => number) {
    this.#settings = settings;
    this.#producers = producers;
  }

  /** For a new request, which holds nothing yet. Null: it has no bound of its own. */
  of(first: string): BodyRoom | null {
    if (this.#producers() < 2) return null;
    let producer = first;
    let own = 0;
    return {
      hold: (bytes) => {
        const more = bytes - own;
        if (more <= 0) return true;
        const others = (this.#bytesOf.get(producer) ?? 0) - own;
        if (!this.#hasRoom(others, bytes)) return false;
        this.#add(producer, more);
        own = bytes;
        return true;
      },
      moveTo: (next) => {
        if (!this.#hasRoom(this.#bytesOf.get(next) ?? 0, own)) return false;
        this.#add(producer, -own);
        this.#add(next, own);
        producer = next;
        return true;
      },
      release: () => {
        this.#add(producer, -own);
        own = 0;
      },
    };
  }

  /** @param others what other requests of the producer hold */
  #hasRoom(others: number, bytes: number): boolean {
    const free = this.#settings.maxInFlightBytes - this.#bytes;
    return others <= 0 || others + bytes <= free * FREE_PART;
  }

  #add(producer: string, bytes: number): void {
    const has = (this.#bytesOf.get(producer) ?? 0) + bytes;
    this.#bytes += bytes;
    if (has > 0) this.#bytesOf.set(producer, has);
    else this.#bytesOf.delete(producer);
  }
}
