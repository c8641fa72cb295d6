type Room = ReturnType<typeof Promise.withResolvers<void>>;

/**
 * Counts the bytes a stage has taken and not yet passed on. Above `heldBytesMax` it asks its giver to wait; it still
 * takes what comes, so that a giver may finish what it has in hand.
 */
export class Intake {
  readonly #heldBytesMax: number;
  #heldBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #room: Room | undefined;

  constructor(heldBytesMax: number) {
    this.#heldBytesMax = heldBytesMax;
  }

  /** Throws what the stage failed with, if it failed. */
  took(bytes: number): void {
    if (this.#failure) throw this.#failure.error;
    this.#heldBytes += bytes;
  }

  passedOn(bytes: number): void {
    this.#heldBytes -= bytes;
    if (this.#heldBytes > this.#heldBytesMax) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  /** The stage will never pass anything on again. The first failure is the one that counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#room?.reject(this.#failure.error);
    this.#room = undefined;
  }

  /** Nothing when there is room; else a promise for it, which rejects when the stage fails. */
  room(): Promise<void> | undefined {
    if (this.#failure) throw this.#failure.error;
    if (this.#heldBytes <= this.#heldBytesMax) return undefined;
    if (!this.#room) {
      this.#room = Promise.withResolvers();
      // A giver that does not wait meets the failure at its next call: it is nothing to end the process for.
      this.#room.promise.catch(() => undefined);
    }
    return this.#room.promise;
  }
}
