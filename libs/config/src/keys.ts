import { distance } from 'fastest-levenshtein';
import { settingPaths, type SettingPath } from './settings.ts';

/** The keys of the older JSON configuration that differ in more than spelling. */
const OLDER_NAMES: Readonly<Record<string, SettingPath>> = { v_port: 'port', bucketName: 'bucket' };

/** The sections of a configuration file. */
const sectionNames: readonly string[] = [
  ...new Set(settingPaths.flatMap((path) => (path.includes('.') ? path.split('.').slice(0, 1) : []))),
];

/** Case, `_`, `-` and dots do not matter in keys: `flushSize`, `FLUSH_SIZE` and `flush_size` are the same. */
export function normalizeKey(key: string): string {
  return key.toLowerCase().replace(/[_.-]/g, '');
}

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

/** Longer unknown keys are cut before they are compared. */
const KEY_LENGTH_MAX = 64;
/** A key of which a greater share differs is another word, and to suggest it would mislead. */
const CHANGED_SHARE_MAX = 1 / 3;

/**
 * The known key that an unknown one is a misspelling of, by insertions, deletions and substitutions; undefined: there is
 * none near enough.
 */
export function nearestSetting(key: string): SettingPath | undefined {
  const wanted = normalizeKey(key).slice(0, KEY_LENGTH_MAX);
  let nearest: SettingPath | undefined;
  let least = Math.max(1.5, wanted.length * CHANGED_SHARE_MAX);
  for (const path of settingPaths) {
    // A known name in the wrong section is nearer than another name.
    const leaf = path.slice(path.indexOf('.') + 1);
    const wantedLeaf = normalizeKey(key.slice(key.indexOf('.') + 1)).slice(0, KEY_LENGTH_MAX);
    const changes = Math.min(distance(wanted, normalizeKey(path)), distance(wantedLeaf, normalizeKey(leaf)) + 0.5);
    if (changes < least) {
      least = changes;
      nearest = path;
    }
  }
  return nearest;
}
