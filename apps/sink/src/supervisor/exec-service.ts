import type { Environment } from '@sink/config';
import { findServiceProgram, heapArguments, MEMORY_ENVIRONMENT, type ServiceName } from './service-command.ts';

/**
 * Replaces this process with the service (execve). The process id stays the same, so that signals, exit code and memory
 * are the service's own, without a process between it and its caller.
 */
export function execService(service: ServiceName, args: readonly string[], env: Environment): never {
  if (process.execve === undefined) throw new Error(`running ${service}: this Node has no execve on this platform`);
  // Node warns on the next tick that execve is experimental; by then this program no longer runs.
  const command = [process.execPath, ...heapArguments(service), findServiceProgram(service), ...args];
  return process.execve(process.execPath, command, { ...MEMORY_ENVIRONMENT, ...env });
}
