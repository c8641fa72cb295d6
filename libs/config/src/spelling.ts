import { distance } from 'fastest-levenshtein';

/** Case, `_`, `-` and dots do not matter in keys: `flushSize`, `FLUSH_SIZE` and `flush_size` are the same. */
export function normalizeKey(key: string): string {
  return key.toLowerCase().replace(/[_.-]/g, '');
}

/** Longer unknown keys are cut before they are compared. */
const KEY_LENGTH_MAX = 64;
/** A key of which a greater share differs is another word, and to suggest it would mislead. */
const CHANGED_SHARE_MAX = 1 / 3;

/**
 * The known key that an unknown one is a misspelling of, by insertions, deletions and substitutions; undefined: there is
 * none near enough.
 */
export function nearestKey<Key extends string>(key: string, known: readonly Key[]): Key | undefined {
  const wanted = normalizeKey(key).slice(0, KEY_LENGTH_MAX);
  const wantedLeaf = normalizeKey(key.slice(key.indexOf('.') + 1)).slice(0, KEY_LENGTH_MAX);
  let nearest: Key | undefined;
  let least = Math.max(1.5, wanted.length * CHANGED_SHARE_MAX);
  for (const path of known) {
    // A known name in the wrong section is nearer than another name.
    const leaf = path.slice(path.indexOf('.') + 1);
    const changes = Math.min(distance(wanted, normalizeKey(path)), distance(wantedLeaf, normalizeKey(leaf)) + 0.5);
    if (changes < least) {
      least = changes;
      nearest = path;
    }
  }
  return nearest;
}
