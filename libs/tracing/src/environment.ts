/** The environment variables of OpenTelemetry that concern traces. The exporter reads those of OTLP by itself. */
import type { Environment } from '@sink/config';

type Root = { readonly kind: 'on' | 'off' } | { readonly kind: 'ratio'; readonly ratio: number };

/** Which requests are recorded. */
export interface Sampling {
  /** What has been decided before, in a `traceparent`, counts. */
  readonly parentBased: boolean;
  /** What is decided where nothing was before. */
  readonly root: Root;
}

export interface TracingSettings {
  /** Without credentials. */
  readonly endpoint: string;
  readonly sampling: Sampling;
  /** Spans that wait, at most: more are dropped. */
  readonly queueMax: number;
  readonly batchMax: number;
  /** Times in milliseconds: between two exports, and the longest export. */
  readonly delayMs: number;
  readonly exportTimeoutMs: number;
}

export interface ReadEnvironment {
  /** Null: tracing is off. */
  readonly settings: TracingSettings | null;
  /** What is wrong, one sentence each. The specification has wrong values ignored, with a warning. */
  readonly warnings: readonly string[];
}

const OFF: ReadEnvironment = { settings: null, warnings: [] };
const PROTOCOL = 'http/protobuf';
const SAMPLERS: Readonly<Record<string, { readonly parentBased: boolean; readonly root: Root['kind'] }>> = {
  always_on: { parentBased: false, root: 'on' },
  always_off: { parentBased: false, root: 'off' },
  traceidratio: { parentBased: false, root: 'ratio' },
  parentbased_always_on: { parentBased: true, root: 'on' },
  parentbased_always_off: { parentBased: true, root: 'off' },
  parentbased_traceidratio: { parentBased: true, root: 'ratio' },
};

/** Tracing is on if an endpoint is set, and nothing switches it off. An empty variable counts as not set. */
export function readTracingEnvironment(env: Environment): ReadEnvironment {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (!endpoint || env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return OFF;
  const exporter = env['OTEL_TRACES_EXPORTER'] || 'otlp';
  if (exporter === 'none') return OFF;
  if (exporter !== 'otlp') return offBecause(`OTEL_TRACES_EXPORTER: only otlp and none are known, not ${exporter}`);
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL'] || PROTOCOL;
  if (protocol !== PROTOCOL) return offBecause(`OTEL_EXPORTER_OTLP_PROTOCOL: only ${PROTOCOL} is known`);
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    return offBecause('OTEL_EXPORTER_OTLP_ENDPOINT: it is not a URL that begins with http:// or https://');
  }
  const warnings: string[] = [];
  const number = (name: string, otherwise: number): number => {
    const given = env[name] || String(otherwise);
    if (/^[1-9]\d{0,8}$/.test(given)) return Number(given);
    warnings.push(`${name}: it is not a whole number from 1; ${otherwise} is used`);
    return otherwise;
  };
  const sampling = readSampling(env, warnings);
  const queueMax = number('OTEL_BSP_MAX_QUEUE_SIZE', 2_048);
  return {
    settings: {
      endpoint: `${url.origin}${url.pathname}`,
      sampling,
      queueMax,
      batchMax: Math.min(queueMax, number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512)),
      delayMs: number('OTEL_BSP_SCHEDULE_DELAY', 5_000),
      exportTimeoutMs: number('OTEL_BSP_EXPORT_TIMEOUT', 30_000),
    },
    warnings,
  };
}

function offBecause(warning: string): ReadEnvironment {
  return { settings: null, warnings: [`${warning}; nothing is traced`] };
}

function readSampling(env: Environment, warnings: string[]): Sampling {
  const name = env['OTEL_TRACES_SAMPLER'] || 'parentbased_always_on';
  const sampler = SAMPLERS[name];
  if (sampler === undefined) {
    warnings.push(`OTEL_TRACES_SAMPLER: there is no sampler ${name}; parentbased_always_on is used`);
    return { parentBased: true, root: { kind: 'on' } };
  }
  const { parentBased, root } = sampler;
  if (root !== 'ratio') return { parentBased, root: { kind: root } };
  const given = env['OTEL_TRACES_SAMPLER_ARG'] || '1';
  const ratio = Number(given);
  if (ratio >= 0 && ratio <= 1) return { parentBased, root: { kind: 'ratio', ratio } };
  warnings.push('OTEL_TRACES_SAMPLER_ARG: it is not a number from 0 to 1; 1 is used');
  return { parentBased, root: { kind: 'ratio', ratio: 1 } };
}
