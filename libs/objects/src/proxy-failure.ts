import type { Failure } from './object-store-error.ts';
import { statusOf } from './s3-symptoms.ts';
import type { S3Proxy } from './s3-request-handler.ts';

/**
 * The failure of a request that went through a proxy, if the proxy is what failed or what cannot be reached.
 * @returns `failure` itself otherwise
 */
export function withProxy(failure: Failure, error: unknown, { shown }: S3Proxy): Failure {
  const refusal = statusOf(error) === 407 ? 407 : tunnelStatus(error);
  // A proxy that cannot reach the store itself answers 502 to 504.
  if (refusal !== null && refusal < 500) {
    const remedy = `The proxy ${shown} refuses the request (${refusal}): correct its credentials, or let it through.`;
    return { code: 'refused', kind: 'operator', remedy };
  }
  if (refusal !== null || failure.code === 'unreachable') {
    const remedy = `S3 cannot be reached through the proxy ${shown}: if this lasts, check both, and the network.`;
    return { code: 'unreachable', kind: 'transient', remedy };
  }
  if (failure.code === 'not_s3') {
    const remedy = `It is not S3 that answered, but perhaps the proxy ${shown}: correct its credentials, or let requests pass.`;
    return { ...failure, remedy: `${remedy} ${failure.remedy ?? ''}`.trim() };
  }
  return failure;
}

/** The status of the proxy's answer to CONNECT; null if the error is not about a tunnel. */
function tunnelStatus(error: unknown): number | null {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_PROXY_TUNNEL') return null;
  if ('statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return Number(/HTTP\/1\.[01] (\d{3})/.exec(error.message)?.[1] ?? 502);
}
