import type { ReadText } from './config-file.ts';
import { valueKeyOf } from './layer.ts';
import { problemsInside } from './nested-values.ts';
import type { Given, Problems } from './problems.ts';
import type { ReadNamedFile } from './resolve-redis.ts';
import { readSettings, settingPaths, settings, type SettingPath, type Settings } from './settings.ts';

/** The settings, with the content of the files that `given` names; it replaces these keys in `given`. */
export function readGiven(
  given: Map<SettingPath, Given>,
  problems: Problems,
  readText: ReadText,
): { readonly read: Settings; readonly readNamedFile: ReadNamedFile } {
  const readNamedFile: ReadNamedFile = (path, name) => {
    const content = readText(name);
    if (typeof content === 'object' && 'text' in content && content.text.trim() !== '') return content.text;
    problems.add(path, describeUnreadable(content));
    return undefined;
  };
  readSecretFiles(given, readNamedFile);
  checkValues(given, problems);
  const values = Object.fromEntries([...given].map(([path, { value }]) => [path, value]));
  return { read: readSettings(values), readNamedFile };
}

/** Replaces `…_file` keys by the content of the file, without the line breaks that editors add at its end. */
function readSecretFiles(
  given: Map<SettingPath, Given>,
  readNamedFile: (path: SettingPath, name: string) => string | undefined,
): void {
  for (const [path, { value, origin }] of [...given]) {
    const target = valueKeyOf(path);
    if (target === undefined || typeof value !== 'string') continue;
    const text = readNamedFile(path, value);
    if (text !== undefined) given.set(target, { value: text.replace(/[\r\n]+$/, ''), origin: `${path}, ${origin}` });
  }
}

/** Checks each value by itself, and removes invalid ones so that the rest can be checked. */
function checkValues(given: Map<SettingPath, Given>, problems: Problems): void {
  const wrong = settingPaths.filter((path) => {
    const value = given.get(path)?.value;
    return value !== undefined && !settings[path].schema.safeParse(value).success;
  });
  for (const path of wrong) {
    const value = given.get(path)?.value;
    if (settings[path].nested !== undefined) {
      for (const problem of problemsInside(path, settings[path], given.get(path))) problems.addOther(problem);
      continue;
    }
    const unquoted = typeof value !== 'string' && settings[path].schema.safeParse(String(value)).success;
    problems.add(path, unquoted ? `${settings[path].allowed}; as text: put it in quotes` : settings[path].allowed);
  }
  for (const path of wrong) given.delete(path);
}

/** What is wrong with a file that a key names. */
export function describeUnreadable(content: ReturnType<ReadText>): string {
  if (content === 'missing') return 'the path of a file that exists';
  return 'failure' in content ? `a file that can be read (${content.failure})` : 'a file that is not empty';
}
