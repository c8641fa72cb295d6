import type { RegistryAnswer, RegistryProtocol } from './registries.ts';

const API = ['apis', 'registry', 'v3'];
/** References to other artifacts are replaced by what they refer to. */
const DEREFERENCED = 'references=DEREFERENCE';

/**
 * Apicurio Registry 3 (Core Registry API v3), whose address is given with or without `/apis/registry/v3`:
 *
 * - `groups/GROUP/artifacts/ARTIFACT/versions/VERSION` and `…/content`; a version may also be `branch=NAME`
 * - `ids/globalIds/ID`, `ids/contentIds/ID`, `ids/contentHashes/HASH`
 *
 * The content is asked for, which has no envelope. A version and an id always mean the same content.
 */
export const apicurio: RegistryProtocol = {
  request(given) {
    const below = API.every((segment, index) => given[index] === segment) ? given.slice(API.length) : given;
    const prefix = given.slice(0, given.length - below.length);
    const segments = below.at(-1) === 'content' && below.length === 7 ? below.slice(0, -1) : below;
    const [first, second, third, , fifth, version = ''] = segments;
    if (first === 'groups' && third === 'artifacts' && fifth === 'versions' && segments.length === 6) {
      const path = [...prefix, ...segments, `content?${DEREFERENCED}`].join('/');
      const decoded = decode(version);
      return { path, keeps: decoded.includes('=') || decoded === 'latest' ? 'unknown' : 'forever', read };
    }
    if (first !== 'ids' || segments.length !== 3) return null;
    const path = [...prefix, ...segments].join('/');
    if (second === 'globalIds' && /^\d+$/.test(third ?? '')) {
      return { path: `${path}?${DEREFERENCED}&returnArtifactType=true`, keeps: 'forever', read };
    }
    const isContent = second === 'contentIds' || second === 'contentHashes';
    return isContent ? { path, keeps: 'forever', read } : null;
  },
};

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function read({
  text,
  headers,
}: {
  readonly text: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}): RegistryAnswer {
  const type = headers['x-registry-artifacttype'];
  if (typeof type === 'string' && type !== 'JSON') {
    return { kind: 'unusable', why: `it is of the type ${type.slice(0, 20)}, not JSON Schema` };
  }
  return { kind: 'schema', text };
}
