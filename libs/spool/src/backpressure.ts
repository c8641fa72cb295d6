type Room = ReturnType<typeof Promise.withResolvers<void>>;

/**
 * Counts the bytes that a stage has accepted and not yet passed on. Above `heldBytesMax` the stage asks its caller to
 * wait; it still accepts what the caller sends, so that the caller can finish the piece it is working on.
 */
export class Backpressure {
  readonly #heldBytesMax: number;
  #heldBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #room: Room | undefined;

  constructor(heldBytesMax: number) {
    this.#heldBytesMax = heldBytesMax;
  }

  /** Throws the stage's failure, if it has failed. */
  accepted(bytes: number): void {
    if (this.#failure) throw this.#failure.error;
    this.#heldBytes += bytes;
  }

  passedOn(bytes: number): void {
    this.#heldBytes -= bytes;
    if (this.#heldBytes > this.#heldBytesMax) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  /** The stage will not pass anything on again. Later failures are ignored. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#room?.reject(this.#failure.error);
    this.#room = undefined;
  }

  /** Undefined while there is room; otherwise a promise that resolves when there is, and rejects if the stage fails. */
  room(): Promise<void> | undefined {
    if (this.#failure) throw this.#failure.error;
    if (this.#heldBytes <= this.#heldBytesMax) return undefined;
    if (!this.#room) {
      this.#room = Promise.withResolvers();
      // A caller that does not wait gets the failure from its next call; an unhandled rejection would end the process.
      this.#room.promise.catch(() => undefined);
    }
    return this.#room.promise;
  }
}
