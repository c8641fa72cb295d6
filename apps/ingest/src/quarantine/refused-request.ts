import type { IncomingMessage } from 'node:http';
import { type EvidenceHeader, evidenceHeader, type RefusedRequest } from '@sink/domain';

/** The headers that become part of the evidence. All others may hold secrets. */
const KEPT = new Set(['user-agent', 'date', 'traceparent']);
const KEPT_BEGINNINGS = ['content-', 'ce-'];
/** The start of a target that is a whole address, with its scheme and its host. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/]*/i;

/**
 * What the evidence says about a request. It holds no secret: neither the values of the query's parameters, nor headers that
 * are not on the list.
 *
 * @param producer null: no producers are configured
 * @param secretHeaders names, in lower case, of headers with the credentials of producers
 */
export function refusedRequest(
  { method = '', url = '', rawHeaders }: Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders'>,
  producer: string | null,
  refusedAtMs: number,
  secretHeaders: ReadonlySet<string> = new Set(),
): RefusedRequest {
  const queryAt = url.indexOf('?');
  const target = queryAt === -1 ? url : url.slice(0, queryAt);
  const query = queryAt === -1 ? '' : url.slice(queryAt + 1);
  const path = target.replace(ORIGIN, '');
  return {
    refusedAtMs,
    producer,
    method,
    path: path === '' ? '/' : path,
    query: parameterNames(query),
    headers: keptHeaders(rawHeaders, secretHeaders),
  };
}

/** As they were sent. A parameter without `=` has a value and no name. */
function parameterNames(query: string): string[] {
  return query
    .split('&')
    .filter((parameter) => parameter.includes('='))
    .map((parameter) => parameter.slice(0, parameter.indexOf('=')));
}

function keptHeaders(rawHeaders: readonly string[], secretHeaders: ReadonlySet<string>): EvidenceHeader[] {
  const kept: EvidenceHeader[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const lower = name.toLowerCase();
    const isKept = KEPT.has(lower) || KEPT_BEGINNINGS.some((beginning) => lower.startsWith(beginning));
    if (isKept && !secretHeaders.has(lower)) kept.push(evidenceHeader(name, rawHeaders[at + 1] ?? ''));
  }
  return kept;
}
