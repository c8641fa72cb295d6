import type { LookupFunction } from 'node:net';
import { get } from './get.ts';
import { isPublicAddress } from './public-address.ts';
import { DOCUMENT_BYTES_MAX, type Found, type SchemaSource, tooLarge } from './source.ts';

export interface HostPorts {
  /** Tests replace these three. */
  readonly lookup?: LookupFunction;
  readonly ca?: string;
  readonly isPublic?: (address: string) => boolean;
  readonly timeoutMs?: number;
}

/**
 * Hosts of the Internet that schemas may be fetched from: over https, without credentials and redirects, and only from a
 * public address. A producer chooses the URI, so without that it could have anything fetched that ingest can reach.
 */
export class AllowedHosts implements SchemaSource {
  readonly #hosts: ReadonlySet<string>;
  readonly #ports: HostPorts;

  /** @param hosts names, each with a port if it is not 443 */
  constructor(hosts: readonly string[], ports: HostPorts = {}) {
    this.#hosts = new Set(hosts.map((host) => URL.parse(`https://${host}`)?.host ?? host.toLowerCase()));
    this.#ports = ports;
  }

  isFor(uri: string): boolean {
    const url = URL.parse(uri);
    return url?.protocol === 'https:' && this.#hosts.has(url.host) && url.username === '' && url.password === '';
  }

  async find(uri: string): Promise<Found> {
    const { isPublic = isPublicAddress, ...ports } = this.#ports;
    const answer = await get(new URL(uri), { bytesMax: DOCUMENT_BYTES_MAX, allows: isPublic, ...ports });
    switch (answer.kind) {
      case 'too_large':
        return tooLarge;
      case 'forbidden':
        return { kind: 'absent', why: answer.why };
      case 'failed':
        return { kind: 'away', why: answer.why };
      case 'answer':
        return (
          problemOf(answer.status) ?? {
            kind: 'document',
            document: { uri, text: answer.text, keeps: 'unknown', references: {} },
          }
        );
    }
  }
}

/** What a status other than 200 says. Null: it is 200. */
export function problemOf(status: number): Exclude<Found, { kind: 'document' }> | null {
  if (status === 200) return null;
  if (status >= 300 && status < 400)
    return { kind: 'unusable', why: `its server answers ${status}: redirects are not followed` };
  // 401 and 403: our credentials, or our rights, are wrong. That is for an operator to mend.
  const isOurs =
    status === 401 || status === 403 || status === 407 || status === 408 || status === 429 || status >= 500;
  return isOurs
    ? { kind: 'away', why: `its server answers ${status}` }
    : { kind: 'absent', why: `its server answers ${status}` };
}
