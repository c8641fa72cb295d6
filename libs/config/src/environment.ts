/** Environment variables as a plain value. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A copy of this process' environment. The only place in the repository that reads it. */
export function readEnvironment(): Environment {
  return { ...process.env };
}
