import { settingPaths, type SettingPath } from './settings.ts';
import { nearestKey, normalizeKey } from './spelling.ts';

/** The keys of the older JSON configuration that differ in more than spelling. */
const OLDER_NAMES: Readonly<Record<string, SettingPath>> = { v_port: 'port', bucketName: 'bucket' };

/** The sections of a configuration file. */
const sectionNames: readonly string[] = [
  ...new Set(settingPaths.flatMap((path) => (path.includes('.') ? path.split('.').slice(0, 1) : []))),
];

const pathOfKey: ReadonlyMap<string, SettingPath> = new Map([
  ...settingPaths.map((path) => [normalizeKey(path), path] as const),
  ...Object.entries(OLDER_NAMES).map(([name, path]) => [normalizeKey(name), path] as const),
]);

/** The section that a key of the top level opens (`aws`, `redis`), in any spelling. */
export function findSection(key: string): string | undefined {
  return sectionNames.find((name) => normalizeKey(name) === normalizeKey(key));
}

/** The setting that a key means. In a section, only its own keys count; outside, nested keys can be written flat. */
export function findSetting(key: string, section?: string): SettingPath | undefined {
  if (section === undefined) return pathOfKey.get(normalizeKey(key));
  return settingPaths.find(
    (path) => path.startsWith(`${section}.`) && normalizeKey(path) === normalizeKey(section) + normalizeKey(key),
  );
}

/** The name of a setting in the environment: `redis.url` -> `SINK_REDIS_URL`. */
export function environmentName(path: SettingPath): string {
  return `SINK_${path.toUpperCase().replaceAll('.', '_')}`;
}

/** The setting that an unknown key is a misspelling of. */
export function nearestSetting(key: string): SettingPath | undefined {
  return nearestKey(key, settingPaths);
}
