import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What of a .cpuprofile (V8's format) is read. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** The node that ran at each sample. */
  readonly samples: readonly number[];
}

/** A function and its share of the time in which the process did anything, without what it called. */
interface ProfileEntry {
  readonly where: string;
  readonly share: number;
}

/** The functions that took the most time themselves, the first one first. Waiting for work is no work. */
export function topFunctions(profileFile: string, count: number): ProfileEntry[] {
  const { nodes, samples } = JSON.parse(readFileSync(profileFile, 'utf8')) as CpuProfile;
  const places = new Map(nodes.map(({ id, callFrame }) => [id, place(callFrame)]));
  const hits = new Map<string, number>();
  let busy = 0;
  for (const sample of samples) {
    const where = places.get(sample);
    if (where === undefined || where === '(idle)') continue;
    busy += 1;
    hits.set(where, (hits.get(where) ?? 0) + 1);
  }
  return [...hits]
    .map(([where, count]) => ({ where, share: count / busy }))
    .sort((a, b) => b.share - a.share)
    .slice(0, count);
}

function place({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const file = url.startsWith('file:') ? fileURLToPath(url) : url;
  const module = /node_modules\/(.+)$/.exec(file)?.[1];
  const shown = url.startsWith('node:') ? url : (module ?? basename(file));
  return `${name} (${shown}:${lineNumber + 1})`;
}
