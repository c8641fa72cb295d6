/** A place in the queue; the queue changes it. */
export interface Due {
  dueMs: number;
  /** Its index in the queue; -1: it is in none. */
  place: number;
}

/**
 * What comes due, the first at its head: a binary heap, so that with many open paths no turn looks at all of them. What is
 * removed leaves the queue at once, because a closed segment takes memory.
 */
export class DueQueue<Item extends Due> {
  readonly #items: Item[] = [];

  get first(): Item | undefined {
    return this.#items[0];
  }

  /** Adds an item, or moves it to its new time. */
  put(item: Item, dueMs: number): void {
    if (item.place === -1) item.place = this.#items.push(item) - 1;
    item.dueMs = dueMs;
    this.#rise(item);
    this.#sink(item);
  }

  remove(item: Item): void {
    const { place } = item;
    if (place === -1) return;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#set(place, last);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(item: Item): void {
    while (item.place > 0) {
      const above = this.#items[(item.place - 1) >> 1];
      if (above === undefined || above.dueMs <= item.dueMs) return;
      this.#swap(above, item);
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1];
      const right = this.#items[2 * item.place + 2];
      const below = right !== undefined && left !== undefined && right.dueMs < left.dueMs ? right : left;
      if (below === undefined || item.dueMs <= below.dueMs) return;
      this.#swap(item, below);
    }
  }

  #swap(above: Item, below: Item): void {
    const { place } = above;
    this.#set(below.place, above);
    this.#set(place, below);
  }

  #set(place: number, item: Item): void {
    this.#items[place] = item;
    item.place = place;
  }
}
