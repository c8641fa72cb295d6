export type CamelCase<Key extends string> = Key extends `${infer Head}${'_' | '.'}${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Key;

/** `redis.tls_ca_file` -> `redisTlsCaFile` */
export function camelCase(path: string): string {
  return path.replace(/[_.](.)/g, (_, letter: string) => letter.toUpperCase());
}
