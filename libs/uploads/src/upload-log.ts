/** Where errors go; a pino logger is one. */
export interface UploadLog {
  warn(fields: { readonly err: Error; readonly suppressed: number }, message: string): void;
}
