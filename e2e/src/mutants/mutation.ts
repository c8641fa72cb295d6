import { join, relative, sep } from 'node:path';
import { findRules, withoutMarker } from './rules.ts';

/**
 * What a mutation does with the one line that carries the marker of a rule (rules.ts). `to` replaces the line, and removes it
 * when it is empty; `before` and `after` keep the line and add a text. A text names as little of the code around it as it
 * can, because that code is renamed and moved.
 */
export type Edit =
  | { readonly rule: string; readonly to: string }
  | { readonly rule: string; readonly before: string }
  | { readonly rule: string; readonly after: string };

/** One or more rules left out. */
export interface Mutation {
  readonly name: string;
  readonly edits: readonly Edit[];
}

/** An edit, and the one place in the sources that it changes. */
export interface PlacedEdit {
  readonly edit: Edit;
  /** Relative to the repository. */
  readonly file: string;
  /** From 0. */
  readonly line: number;
}

export const REPOSITORY = join(import.meta.dirname, '../../..');
const VARIABLE = 'SINK_MUTATION';

/**
 * The environment that hands a mutation to a process, which applies it while it loads its sources.
 * @throws unless each rule marks exactly one line: a mutation that changes nothing proves nothing
 */
export function mutationEnvironment(mutation: Mutation): Record<string, string> {
  const rules = findRules(REPOSITORY);
  const placed = mutation.edits.map((edit): PlacedEdit => {
    const lines = rules.filter(({ rule }) => rule === edit.rule);
    const [place] = lines;
    if (place === undefined || lines.length > 1)
      throw new Error(`mutation "${mutation.name}": ${lines.length} lines are marked as rule ${edit.rule}, not one`);
    return { edit, file: place.file, line: place.line };
  });
  return { [VARIABLE]: JSON.stringify(placed) };
}

/** The mutation that this process was handed. */
export function handedEdits(): PlacedEdit[] {
  return JSON.parse(process.env[VARIABLE] ?? '[]') as PlacedEdit[];
}

/** Of these edits the ones of the source file at `path`. */
export function editsOf(path: string, edits: readonly PlacedEdit[]): PlacedEdit[] {
  const file = relative(REPOSITORY, path).split(sep).join('/');
  return edits.filter((placed) => placed.file === file);
}

/** The source with these edits of it. */
export function mutate(source: string, edits: readonly PlacedEdit[]): string {
  const lines = source.split('\n');
  for (const { edit, line } of edits) lines[line] = edited(withoutMarker(lines[line] ?? ''), edit);
  return lines.join('\n');
}

function edited(text: string, edit: Edit): string {
  if ('to' in edit) return edit.to;
  return 'before' in edit ? `${edit.before}\n${text}` : `${text}\n${edit.after}`;
}
