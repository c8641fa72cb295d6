import { settings, type SettingPath } from './settings.ts';

/** A value and where it was given. */
export interface Given {
  readonly value: unknown;
  /** For people: a file's path, or `environment SINK_PORT`. */
  readonly origin: string;
}

/** What was given, by key. */
export type GivenSettings = ReadonlyMap<SettingPath, Given>;

const SHOWN_CHARACTERS_MAX = 100;

/** A given value for an error message: short, and never a secret. */
export function describeGiven(path: SettingPath, given: Given | undefined): string {
  if (given === undefined) return 'nothing';
  if (settings[path].secret) return `a value that is not shown (${given.origin})`;
  const text = JSON.stringify(given.value).replace(/\/\/[^\s]*@/g, '//…@');
  const shown = text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
  return `${shown} (${given.origin})`;
}
