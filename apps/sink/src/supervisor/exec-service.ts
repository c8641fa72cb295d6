import type { Environment } from '@sink/config';
import { findServiceProgram, heapArguments, MEMORY_ENVIRONMENT, type ServiceName } from './service-command.ts';

/**
 * Turns this process into the service (execve): the same process id, so signals, exit code and memory are the
 * service's own and nothing stands between it and whoever started us.
 */
export function becomeService(service: ServiceName, args: readonly string[], env: Environment): never {
  if (process.execve === undefined) throw new Error(`running ${service}: this Node has no execve on this platform`);
  // Node warns that execve is experimental, on the next tick: by then this program is gone.
  const command = [process.execPath, ...heapArguments(service), findServiceProgram(service), ...args];
  return process.execve(process.execPath, command, { ...MEMORY_ENVIRONMENT, ...env });
}
