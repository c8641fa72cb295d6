/** The sink cannot start for a reason that its operator can remove. The message is one line that says how. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly code:
    'port_taken' | 'data_dir' | 'data_dir_in_use' | 'disk_full' | 'no_redis_server' | 'redis_failed' | 'no_policy';
  readonly retryable = false;

  constructor(code: StartError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
