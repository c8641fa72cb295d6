/** An expression is refused before it is evaluated. The message says where and what to write. */
export class CesqlError extends Error {
  readonly kind: 'parse' | 'missingFunction';
  /** Of the first character that cannot be read, from 1. */
  readonly position: number;

  constructor(kind: 'parse' | 'missingFunction', position: number, message: string) {
    super(`character ${position}: ${message}`);
    this.kind = kind;
    this.position = position;
  }
}
