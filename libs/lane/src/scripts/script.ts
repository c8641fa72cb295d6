import { createHash } from 'node:crypto';

/** A Lua script of a lane, with the digest Redis knows it by. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha1: string;
}

/**
 * A step that must run even when Redis is at maxmemory, or nothing there could ever be drained: every step but append
 * and the registration of a writer.
 */
export function drainingScript(name: string, lua: string): Script {
  return script(name, `#!lua flags=allow-oom\n${lua.trim()}\n`);
}

/** A step that Redis refuses at maxmemory, at its first denied write; what it reads before that still runs. */
export function script(name: string, lua: string): Script {
  const text = lua.trimStart();
  return { name, lua: text, sha1: createHash('sha1').update(text).digest('hex') };
}
