import { optionalText, text } from './field.ts';

const PREFIX = /^(?!\/)(?!(?:.*\/)?\.{1,2}(?:\/|$))(?!.*\/\/)[^\p{Cc}\p{Cs}\\]{0,256}$/u;
const PREFIX_RULES =
  'up to 256 characters; no leading slash, no "//", no "." or ".." between slashes, no backslash or control characters';

/** The bucket of objects: a key of the top level, and of each of `routes`. */
export const bucketKey = optionalText(
  // What is no name of a bucket gets a message of its own in resolve-bucket.ts.
  /^[^\p{Cc}]+$/u,
  'the name of a bucket (3 to 63 lower-case letters, digits, dots and hyphens), or file:///absolute/directory',
  'The bucket in which objects are stored, or a directory for plain files. Default: the directory `objects` in `data_dir`.',
  (given) => given.trim(),
);

/** The start of the keys of objects: a key of the top level, and of each of `routes`. */
export const prefixKey = prefixText(
  '',
  'The text at the start of every object key. For a folder, end it with a slash (`events/`).',
);

export function prefixText(initial: string, description: string) {
  return text(PREFIX, initial, PREFIX_RULES, description);
}
