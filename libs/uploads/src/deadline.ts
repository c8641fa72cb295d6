/** Redis did not answer in time. The command may still be executed: every command of the queue may be repeated. */
export class UploadQueueInDoubt extends Error {
  readonly code = 'in_doubt';
  readonly retryable = true;
  constructor(action: string, options?: ErrorOptions) {
    super(`${action}: no answer from Redis`, options);
    this.name = 'UploadQueueInDoubt';
  }
}

/**
 * The queue's connection waits for Redis for as long as it takes (BullMQ needs it so); who asks something of the queue
 * does not.
 */
export async function withDeadline<T>(action: string, timeoutMs: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new UploadQueueInDoubt(action)), timeoutMs);
  });
  // Whoever loses the race may still reject: nobody is listening any more.
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
