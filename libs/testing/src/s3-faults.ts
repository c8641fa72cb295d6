import type { IncomingHttpHeaders } from 'node:http';

/** The operation of a request. `Other`: an operation that the fake does not know. */
export type S3Operation =
  | 'PutObject'
  | 'HeadObject'
  | 'GetObject'
  | 'ListObjectsV2'
  | 'HeadBucket'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListMultipartUploads'
  | 'Other';

/** A request as the fault rules see it, before it has any effect. */
export interface S3RequestFacts {
  readonly operation: S3Operation;
  readonly bucket: string;
  readonly key: string;
  readonly headers: IncomingHttpHeaders;
}

/** The requests that a fault hits, in a form that can be sent to another process. All given conditions must hold. */
export interface S3Match {
  readonly operation?: S3Operation;
  readonly key?: string;
  /** A regular expression over the key. */
  readonly keyPattern?: string;
}

/**
 * What happens to the request. With `applied` the request takes its full effect and only its answer fails; without it
 * the request has no effect.
 */
export type S3Effect =
  | {
      readonly kind: 'error';
      readonly status: number;
      readonly code: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly applied?: boolean;
    }
  /** Another server's answer, byte for byte. Default headers: those of XML. */
  | {
      readonly kind: 'raw';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: string;
      readonly applied?: boolean;
    }
  /** The request is never answered and its connection stays open. */
  | { readonly kind: 'hang'; readonly applied?: boolean }
  /** The connection is reset. */
  | { readonly kind: 'reset'; readonly applied?: boolean }
  /** The request is handled after a wait. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** The request succeeds, but the answer has a wrong ETag. */
  | { readonly kind: 'wrong_etag' }
  /** The first byte of the body is changed in transit, so that the checksums decide on the request. */
  | { readonly kind: 'damage' };

/** A fault rule. The first rule that matches a request applies, in the order in which the rules were added. */
export interface S3Fault {
  readonly match?: S3Match | ((request: S3RequestFacts) => boolean);
  readonly effect: S3Effect;
  /** Skips this many matching requests first; default 0. */
  readonly skip?: number;
  /** Hits this many requests; default: all, until it is removed. */
  readonly times?: number;
  /** Hits this share (0 to 1) of the matching requests, chosen by a seeded generator; default 1. */
  readonly share?: number;
  readonly seed?: number;
}

interface Rule {
  readonly id: number;
  readonly fault: S3Fault;
  readonly random: () => number;
  seen: number;
  hits: number;
}

/** The fault rules of one fake. */
export class S3Faults {
  readonly #rules: Rule[] = [];
  #nextId = 1;

  /** Adds a rule and returns its id. */
  add(fault: S3Fault): number {
    const id = this.#nextId++;
    this.#rules.push({ id, fault, random: seededRandom(fault.seed ?? id), seen: 0, hits: 0 });
    return id;
  }

  remove(id: number): void {
    const index = this.#rules.findIndex((rule) => rule.id === id);
    if (index >= 0) this.#rules.splice(index, 1);
  }

  clear(): void {
    this.#rules.length = 0;
  }

  /** The number of requests that each rule has hit. */
  hits(id: number): number {
    return this.#rules.find((rule) => rule.id === id)?.hits ?? 0;
  }

  /** The effect on this request, or null for none. Counts the hit. */
  next(request: S3RequestFacts): S3Effect | null {
    for (const rule of this.#rules) {
      const { fault } = rule;
      if (!matches(fault.match, request)) continue;
      rule.seen++;
      if (rule.seen <= (fault.skip ?? 0) || rule.hits >= (fault.times ?? Infinity)) continue;
      if (fault.share !== undefined && rule.random() >= fault.share) continue;
      rule.hits++;
      return fault.effect;
    }
    return null;
  }
}

function matches(match: S3Fault['match'], request: S3RequestFacts): boolean {
  if (match === undefined) return true;
  if (typeof match === 'function') return match(request);
  if (match.operation !== undefined && match.operation !== request.operation) return false;
  if (match.key !== undefined && match.key !== request.key) return false;
  return match.keyPattern === undefined || new RegExp(match.keyPattern).test(request.key);
}

/** mulberry32: the same seed hits the same requests. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
