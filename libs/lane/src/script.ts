import { createHash } from 'node:crypto';

/** A Lua script, with the digest Redis knows it by. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha1: string;
}

export function script(name: string, lua: string): Script {
  return { name, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
