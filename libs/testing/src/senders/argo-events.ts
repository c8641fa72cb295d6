import { type Sender } from './deliver.ts';

/** An event of Argo Events' event bus: `data` is JSON. */
export interface ArgoEvent {
  readonly context: Readonly<Record<string, string>>;
  readonly data: unknown;
}

/** A row of the trigger's `payload`. */
export interface ArgoParameter {
  readonly src: {
    readonly contextKey?: string;
    readonly dataKey?: string;
    readonly value?: string;
    readonly useRawData?: boolean;
  };
  readonly dest: string;
}

/** The HTTP trigger of a Sensor, as far as it decides what is sent and when again. */
export interface ArgoTrigger {
  readonly headers?: Readonly<Record<string, string>>;
  readonly payload: readonly ArgoParameter[];
  readonly timeoutSeconds?: number;
  readonly atLeastOnce?: boolean;
  readonly retryStrategy?: { readonly steps: number; readonly durationMs: number; readonly factor?: number };
  /** `policy.status.allow`; absent: every answer is a success. */
  readonly allow?: readonly number[];
}

const TIMEOUT_MS = 60_000;

/**
 * The HTTP trigger of a Sensor (argo-events, pkg/sensors): JSON that the trigger puts together, with its headers. Without
 * `policy`, every answer is a success; without `retryStrategy` there is one attempt; without `atLeastOnce` the result of the
 * attempt is not awaited.
 */
export function argoEvents(event: ArgoEvent, trigger: ArgoTrigger): Sender {
  const { headers = {}, payload, timeoutSeconds, atLeastOnce = false, retryStrategy, allow } = trigger;
  const body = Buffer.from(JSON.stringify(payloadOf(event, payload)));
  const { steps, durationMs, factor = 1 } = retryStrategy ?? { steps: 1, durationMs: 0 };
  return {
    timeoutMs: timeoutSeconds === undefined ? TIMEOUT_MS : timeoutSeconds * 1_000,
    request: () => ({
      method: 'POST',
      headers: { 'User-Agent': 'Go-http-client/1.1', ...headers, 'Accept-Encoding': 'gzip' },
      body,
    }),
    next: (answer, attempt) => {
      if (answer !== null && (allow === undefined || allow.includes(answer.status))) return 'delivered';
      if (!atLeastOnce || attempt + 1 >= steps) return 'given_up';
      return { waitMs: durationMs * factor ** attempt };
    },
  };
}

/** What is no string becomes one, unless the parameter has `useRawData`. */
function payloadOf(event: ArgoEvent, parameters: readonly ArgoParameter[]): Record<string, unknown> {
  const built: Record<string, unknown> = {};
  for (const { src, dest } of parameters) {
    const found = valueOf(event, src) ?? src.value;
    if (found === undefined) throw new Error(`the payload has no value for ${dest}`);
    const asText = typeof found === 'string' ? found : JSON.stringify(found);
    built[dest] = src.useRawData === true ? found : asText;
  }
  return built;
}

function valueOf({ context, data }: ArgoEvent, { contextKey, dataKey }: ArgoParameter['src']): unknown {
  if (contextKey !== undefined) return context[contextKey];
  if (dataKey === undefined) return undefined;
  return dataKey
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], data);
}
