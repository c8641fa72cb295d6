import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The parts of a .cpuprofile (V8's format) that are read. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** The node that was running at each sample. */
  readonly samples: readonly number[];
}

/** A function and its own share of the time in which the process was busy, without the functions it called. */
interface ProfileEntry {
  readonly where: string;
  readonly share: number;
}

/** The functions with the most time of their own, in descending order. Waiting for work does not count. */
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
