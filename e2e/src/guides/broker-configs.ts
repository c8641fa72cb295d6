import type { ArgoTrigger, KnativeDelivery } from '@sink/testing';
import { parse, parseAllDocuments } from 'yaml';

interface KnativeObject {
  readonly kind: string;
  readonly spec: {
    readonly delivery?: {
      readonly retry?: number;
      readonly backoffPolicy?: 'exponential' | 'linear';
      readonly backoffDelay?: string;
    };
  };
}

interface ArgoSensor {
  readonly spec: {
    readonly triggers: readonly {
      readonly template: {
        readonly http: Pick<ArgoTrigger, 'headers' | 'payload'> & { readonly timeout?: number };
      };
      readonly atLeastOnce?: boolean;
      readonly retryStrategy?: { readonly steps: number; readonly duration: string; readonly factor?: number };
      readonly policy?: { readonly status: { readonly allow: readonly number[] } };
    }[];
  };
}

/** The producers of this configuration of the sink. */
export function producersOf(yaml: string): readonly unknown[] {
  return (parse(yaml) as { readonly producers: readonly unknown[] }).producers;
}

/** How a Trigger of this YAML delivers. */
export function knativeDelivery(yaml: string): KnativeDelivery {
  const objects = parseAllDocuments(yaml).map((document) => document.toJS() as KnativeObject);
  const { delivery } = objects.find(({ kind }) => kind === 'Trigger')?.spec ?? {};
  if (delivery === undefined) return {};
  const { backoffDelay, ...rest } = delivery;
  return { ...rest, ...(backoffDelay === undefined ? {} : { backoffDelayMs: msOf(backoffDelay, /^PT([\d.]+)S$/) }) };
}

/** The HTTP trigger of a Sensor of this YAML. */
export function argoTrigger(yaml: string): ArgoTrigger {
  const [trigger] = (parse(yaml) as ArgoSensor).spec.triggers;
  if (trigger === undefined) throw new Error('the Sensor has no trigger');
  const { template, atLeastOnce, retryStrategy, policy } = trigger;
  const { headers, payload, timeout } = template.http;
  return {
    payload,
    ...(headers === undefined ? {} : { headers }),
    ...(timeout === undefined ? {} : { timeoutSeconds: timeout }),
    ...(atLeastOnce === undefined ? {} : { atLeastOnce }),
    ...(policy === undefined ? {} : { allow: policy.status.allow }),
    ...(retryStrategy === undefined
      ? {}
      : { retryStrategy: { ...retryStrategy, durationMs: msOf(retryStrategy.duration, /^(\d+)s$/) } }),
  };
}

function msOf(text: string, seconds: RegExp): number {
  const [, found] = seconds.exec(text) ?? [];
  if (found === undefined) throw new Error(`${text} is no number of seconds`);
  return Number(found) * 1_000;
}
