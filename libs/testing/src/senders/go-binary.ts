import type { SenderRequest } from './deliver.ts';

/** An event as the Go SDK has it: attributes as text, data as bytes. */
export interface GoEvent {
  readonly attributes: Readonly<Record<string, string>> & {
    readonly id: string;
    readonly source: string;
    readonly type: string;
  };
  readonly datacontenttype?: string;
  readonly data?: string | Buffer;
}

/**
 * The request of the Go SDK (2.16) in binary mode, which Vanus and Knative use: names as Go writes headers, values as UTF-8,
 * without percent-encoding; no Content-Type without a datacontenttype.
 */
export function goBinary({ attributes, datacontenttype, data = '' }: GoEvent): SenderRequest {
  const all = { specversion: '1.0', ...attributes };
  const fields = Object.entries(all).map(([name, value]) => [
    `Ce-${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    value,
  ]);
  return {
    method: 'POST',
    headers: {
      'User-Agent': 'Go-http-client/1.1',
      ...(Object.fromEntries(fields) as Record<string, string>),
      ...(datacontenttype === undefined ? {} : { 'Content-Type': datacontenttype }),
      'Accept-Encoding': 'gzip',
    },
    body: Buffer.from(data),
  };
}
