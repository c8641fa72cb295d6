import { closeSync, openSync } from 'node:fs';

/**
 * Whether this process has a controlling terminal, whose end sends SIGHUP. To be asked at the start: after the end it is
 * gone.
 */
export function hasControllingTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
