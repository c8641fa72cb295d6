import { z } from 'zod';
import { alsoText, field, listFromText } from './field.ts';
import { fromJson, isTree } from './nested.ts';

const TAGS_MAX = 10;
const TAG_KEY_CHARACTERS_MAX = 128;
const TAG_VALUE_CHARACTERS_MAX = 256;
/** Letters and digits of all languages, spaces, and these signs (Amazon S3 User Guide, "Categorizing your storage using tags"). */
const TAG_TEXT = /^[\p{L}\p{N}\p{Z}+\-=._:/@]*$/u;

/** S3 has 2 KB for names and values together; the sink's own need 124 of them. */
const METADATA_BYTES_MAX = 2048 - 128;
const METADATA_NAME = /^[a-z0-9][a-z0-9_.-]*$/;
/** Other characters arrive differently, or not at all, depending on the store. */
const METADATA_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
/** What the store keeps of every object. */
const OWN_METADATA: readonly string[] = ['content-sha256', 'segment-id'];

type Texts = Readonly<Record<string, string>>;

const TAGS_ALLOWED = `a mapping of at most ${TAGS_MAX} names (up to ${TAG_KEY_CHARACTERS_MAX} characters, not beginning with aws:) to text (up to ${TAG_VALUE_CHARACTERS_MAX}) of letters, digits, spaces and + - = . _ : / @; or text "name=value,…"`;
const METADATA_ALLOWED = `a mapping of names (a to z, 0 to 9, _ . -; not ${OWN_METADATA.join(' or ')}) to printable ASCII, together at most ${METADATA_BYTES_MAX} bytes; or text "name=value,…"`;

/** The key `tags`. */
export const tagsField = textsByName(
  TAGS_ALLOWED,
  'Tags of each object. They are fixed when the object is closed; later changes are for later objects.',
  (tags) =>
    Object.keys(tags).length <= TAGS_MAX &&
    Object.entries(tags).every(([name, value]) => isTagName(name) && isTagText(value, TAG_VALUE_CHARACTERS_MAX)),
);

/** The key `metadata`. */
export const metadataField = textsByName(
  METADATA_ALLOWED,
  'Metadata of each object (`x-amz-meta-…`), beside `content-sha256` and `segment-id`. They are fixed when the object is closed; later changes are for later objects.',
  (metadata) =>
    Object.entries(metadata).every(
      ([name, value]) => METADATA_NAME.test(name) && !OWN_METADATA.includes(name) && METADATA_VALUE.test(value),
    ) && bytesOf(metadata) <= METADATA_BYTES_MAX,
);

/** An AWS account. In YAML it may be a number. */
export function ownerField(description: string) {
  const fromNumber = (given: unknown): unknown =>
    typeof given === 'number' && Number.isSafeInteger(given) ? String(given).padStart(12, '0') : given;
  const schema = z.preprocess(fromNumber, z.string().regex(/^\d{12}$/)).optional();
  return field(schema, 'the 12 digits of an AWS account', description);
}

function isTagName(name: string): boolean {
  return name !== '' && !/^aws:/i.test(name) && isTagText(name, TAG_KEY_CHARACTERS_MAX);
}

function isTagText(text: string, charactersMax: number): boolean {
  return text.length <= charactersMax && TAG_TEXT.test(text);
}

function bytesOf(texts: Texts): number {
  return Object.entries(texts).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
}

/** Names with a text each; may be absent. */
function textsByName(allowed: string, description: string, isAllowed: (texts: Texts) => boolean) {
  const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
  const map = z.record(z.string().min(1), scalar).superRefine((texts, context) => {
    if (!isAllowed(texts)) context.addIssue({ code: 'custom', message: allowed });
  });
  alsoText.set(map, z.string());
  return field(z.preprocess(fromText, map).optional(), allowed, description);
}

/** In the environment: JSON, or `name=value,name=value`. */
function fromText(given: unknown): unknown {
  const read = fromJson(given);
  if (isTree(read)) return read;
  const pairs = listFromText(given);
  if (typeof given !== 'string' || !Array.isArray(pairs)) return given;
  const entries: unknown[] = pairs;
  return Object.fromEntries(
    entries.map((pair) => {
      const [, name = '', value = ''] = /^([^=]*)=?(.*)$/su.exec(String(pair)) ?? [];
      return [name.trim(), value.trim()] as const;
    }),
  );
}
