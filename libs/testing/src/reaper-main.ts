/** The process behind `reaper.ts`: reads what to clean up, waits until its parent is gone, cleans up, and exits. */
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';

const groups = new Set<number>();
const directories = new Set<string>();

for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument = ''] = line.split(/ (.*)/s);
  if (command === 'kill') groups.add(Number(argument));
  if (command === 'forget') groups.delete(Number(argument));
  if (command === 'remove') directories.add(String(JSON.parse(argument)));
}

for (const group of groups) {
  if (!Number.isInteger(group) || group <= 1) continue;
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // The group is already empty.
  }
}
for (const directory of directories) {
  // The dying processes may still create files in the directory: rm retries.
  await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}
