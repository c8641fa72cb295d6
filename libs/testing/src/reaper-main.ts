/** The process behind `reaper.ts`: reads what to clean up, waits until its parent is gone, cleans up, ends. */
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
    // The group is empty already.
  }
}
for (const directory of directories) {
  // The dying processes may still create a file or two in there: rm tries again.
  await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}
