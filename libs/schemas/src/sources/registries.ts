import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { apicurio } from './apicurio.ts';
import { confluent } from './confluent.ts';
import { get, type GetAnswer } from './get.ts';
import { problemOf } from './hosts.ts';
import { DOCUMENT_BYTES_MAX, type Found, type SchemaDocument, type SchemaSource, tooLarge } from './source.ts';
import { xregistry } from './xregistry.ts';

/** The registries whose addresses and answers are known. */
export type RegistryKind = 'xregistry' | 'confluent' | 'apicurio';

export interface RegistrySettings {
  readonly kind: RegistryKind;
  readonly url: string;
  /** What the file of its bearer token contains now; null: there is no such file, or it cannot be read. Absent: none is sent. */
  readonly bearer?: () => string | null;
}

/** How a kind of registry is asked. */
export interface RegistryProtocol {
  /**
   * What is asked for the document that the path names; null: it is no path that this registry documents for schemas.
   * @param segments of the path below the registry's address, as they are written
   */
  request(segments: readonly string[]): RegistryRequest | null;
}

export interface RegistryRequest {
  /** The path below the registry's address, and the query. */
  readonly path: string;
  readonly keeps: SchemaDocument['keeps'];
  /** @param base the registry's address, which ends with a slash */
  read(answer: Extract<GetAnswer, { kind: 'answer' }>, base: string): RegistryAnswer;
}

export type RegistryAnswer =
  | { readonly kind: 'schema'; readonly text: string; readonly references?: Readonly<Record<string, string>> }
  | { readonly kind: 'unusable'; readonly why: string };

const PROTOCOLS: Readonly<Record<RegistryKind, RegistryProtocol>> = { xregistry, confluent, apicurio };
const CONNECTIONS_MAX = 8;
/** An answer may have its schema as a string of JSON. */
const ANSWER_BYTES_MAX = 2 * DOCUMENT_BYTES_MAX + 64 * 1024;

/** A registry answers for URIs below its own address: the same origin, and whole segments of the path. */
export class Registry implements SchemaSource {
  readonly #base: URL;
  readonly #settings: RegistrySettings;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
    this.#base = new URL(settings.url.endsWith('/') ? settings.url : `${settings.url}/`);
    const options = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
    this.#agent = this.#base.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  }

  isFor(uri: string): boolean {
    const url = URL.parse(uri);
    const isBelow = url?.origin === this.#base.origin && url.pathname.startsWith(this.#base.pathname);
    return isBelow && url.username === '' && url.password === '';
  }

  async find(uri: string): Promise<Found> {
    const url = new URL(uri);
    const segments = url.pathname.slice(this.#base.pathname.length).split('/');
    const known = url.search === '' && !segments.includes('');
    const request = known ? PROTOCOLS[this.#settings.kind].request(segments) : null;
    if (request !== null) return this.#fetch(request, uri);
    return { kind: 'absent', why: `a registry of kind ${this.#settings.kind} has no schemas at such a path` };
  }

  close(): void {
    this.#agent.destroy();
  }

  async #fetch(request: RegistryRequest, uri: string): Promise<Found> {
    const token = this.#settings.bearer?.();
    if (token === null) return { kind: 'away', why: 'its bearer_file cannot be read' };
    const answer = await get(new URL(this.#base.href + request.path), {
      bytesMax: ANSWER_BYTES_MAX,
      agent: this.#agent,
      ...(token !== undefined && { headers: { Authorization: `Bearer ${token}` } }),
    });
    if (answer.kind === 'too_large') return tooLarge;
    if (answer.kind !== 'answer') return { kind: 'away', why: answer.why };
    const problem = problemOf(answer.status);
    if (problem !== null) return problem;
    const schema = request.read(answer, this.#base.href);
    if (schema.kind === 'unusable') return schema;
    const { text, references = {} } = schema;
    if (Buffer.byteLength(text) > DOCUMENT_BYTES_MAX) return tooLarge;
    return { kind: 'document', document: { uri, text, keeps: request.keeps, references } };
  }
}
