/** Environment variables, as a plain value that is handed on. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A copy of this process' environment: the one place of the repository that reads it. */
export function readEnvironment(): Environment {
  return { ...process.env };
}
