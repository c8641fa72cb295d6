import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A line of the sources that implements a rule: it ends in `// rule: NAME`, or in Lua in `-- rule: NAME`. */
export interface RuleLine {
  readonly rule: string;
  /** Relative to the repository. */
  readonly file: string;
  /** From 0. */
  readonly line: number;
}

const MARKER_BEGINS = /(?:--|\/\/) rule:/;
const MARKER = /\s*(?:--|\/\/) rule: ([a-z0-9-]+\.[a-z0-9-]+)$/;
const SOURCES = ['apps/*/src/**/*.ts', 'libs/*/src/**/*.ts', 'e2e/src/model/*.ts'];

/** Every marked line of the product's and the model's sources. */
export function findRules(repository: string): RuleLine[] {
  const files = globSync(SOURCES, { cwd: repository }).filter((file) => !file.endsWith('.test.ts'));
  return files.sort().flatMap((file) => ruleLines(file, readFileSync(join(repository, file), 'utf8')));
}

/**
 * The marked lines of one source.
 * @throws for what looks like a marker and is none: it would mark nothing
 */
export function ruleLines(file: string, source: string): RuleLine[] {
  return source.split('\n').flatMap((text, line) => {
    const rule = MARKER.exec(text)?.[1];
    if (rule === undefined && MARKER_BEGINS.test(text))
      throw new Error(`${file}:${line + 1}: a marker is the end of its line: // rule: PART.NAME`);
    return rule === undefined ? [] : [{ rule, file, line }];
  });
}

/** A marked line without its marker. */
export function withoutMarker(text: string): string {
  return text.replace(MARKER, '');
}
