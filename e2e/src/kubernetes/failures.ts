import type { Connections } from './connections.ts';
import type { FailedRequest } from './failed-requests.ts';
import type { Window } from './load.ts';

/** How long a request to a dead pod may be without an answer: the producers' own limit is 5 s. */
const IN_FLIGHT_MS = 6_000;

/** The failures of a pod that was killed, by kind. */
export interface KillFailures {
  /** Sent on a connection to that pod before it was gone, and not answered. */
  readonly inFlight: readonly FailedRequest[];
  /** Never sent: the address of the dead pod still took new connections, and refused them. */
  readonly refused: readonly FailedRequest[];
  /** Anything else: a request to another pod, or a second one on the same connection. */
  readonly others: readonly FailedRequest[];
}

/**
 * @param connections where the connections went; null when that is not known: then a failure counts as in flight when its
 *   connection was cut soon after the kill, once
 */
export function failuresOfKill(
  { failures }: Window,
  victim: { readonly podIp: string; readonly client: string },
  connections: Connections | null,
): KillFailures {
  const cut = new Set<number>();
  const wasInFlight = ({ sentAtMs, failedAtMs, localPort, answer }: FailedRequest): boolean => {
    if (sentAtMs === null || localPort === null || /^\d/.test(answer) || cut.has(localPort)) return false;
    cut.add(localPort);
    if (failedAtMs - sentAtMs > IN_FLIGHT_MS) return false;
    const pod = connections?.podOf(victim.client, localPort) ?? null;
    return connections === null || pod === victim.podIp;
  };
  const refused = failures.filter(({ sentAtMs }) => sentAtMs === null);
  const sent = failures.filter(({ sentAtMs }) => sentAtMs !== null);
  const inFlight = sent.filter(wasInFlight);
  return { inFlight, refused, others: sent.filter((failure) => !inFlight.includes(failure)) };
}

export function describeFailures(failures: readonly FailedRequest[], requests: number): string {
  const counts = new Map<string, number>();
  for (const { answer, sentAtMs } of failures) {
    const name = sentAtMs === null ? `not sent, ${answer}` : answer;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const kinds = [...counts].map(([answer, count]) => `${count} × ${answer}`);
  return `${failures.length} of ${requests} requests failed: ${kinds.join('; ')}`;
}
