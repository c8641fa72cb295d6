import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUCKET, CREDENTIALS, REDIS_URL, S3_URL, type Setup } from './helpers.ts';
import type { Namespace } from './kubectl.ts';

export type Values = Readonly<Record<string, unknown>>;

const RELEASE = 'sink';
const SCHEDULED_INTERVAL_SECONDS = 2;

/** A workload of the chart. */
export interface Workload {
  /** As kubectl names it: `deployment/NAME`. */
  readonly name: string;
  readonly selector: string;
  /** The container that a test kills. */
  readonly container: string;
}

/** A release of the chart in a namespace. */
export class Release {
  readonly namespace: Namespace;
  /** Where pods of the namespace post events. */
  readonly url = `http://${RELEASE}:8080`;
  readonly ingest: Workload = workload('deployment', 'ingest', 'ingest');
  readonly pipeline: Workload = workload('statefulset', 'pipeline', 'batcher');
  /** Finds the pods of both, and not the bundled Redis: that is one, and its eviction is an outage. */
  readonly selector = `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/component in (ingest,pipeline)`;
  readonly #setup: Setup;
  #values: Values;

  constructor(namespace: Namespace, setup: Setup, values: Values) {
    this.namespace = namespace;
    this.#setup = setup;
    this.#values = values;
  }

  install(): Promise<void> {
    return this.#helm('install', this.#setup.image);
  }

  /** Upgrades to another image, values, or both, and waits until every pod is replaced and ready. */
  async upgrade(values: Values = {}, image = this.#setup.image): Promise<void> {
    this.#values = merge(this.#values, values);
    await this.#helm('upgrade', image);
  }

  async rollback(): Promise<void> {
    await this.namespace.helm('rollback', RELEASE, '--wait', '--timeout', '3m');
  }

  async uninstall(): Promise<void> {
    await this.namespace.helm('uninstall', RELEASE, '--wait', '--timeout', '3m');
  }

  test(): Promise<string> {
    return this.namespace.helm('test', RELEASE, '--logs', '--timeout', '3m');
  }

  async #helm(command: 'install' | 'upgrade', image: string): Promise<void> {
    const [, repository = '', tag = ''] = /^(.+):([^:/]+)$/.exec(image) ?? [];
    const values = merge(this.#values, { fullnameOverride: RELEASE, image: { repository, tag } });
    const file = join(mkdtempSync(join(tmpdir(), 'sink-values-')), 'values.json');
    writeFileSync(file, JSON.stringify(values));
    const chart = join(this.#setup.root, 'deploy/helm/sink-aws-s3');
    try {
      await this.namespace.helm(command, RELEASE, chart, '--values', file, '--wait', '--timeout', '3m');
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.namespace.state()}`, { cause: error });
    }
  }
}

/** All of it fits a node of two cores, beside the pods that an upgrade adds. The limits are those of the chart. */
const SMALL = { requests: { cpu: '20m', memory: '128Mi' } };

/** Values for the S3 of the tests. */
export const TO_TEST_S3: Values = {
  config: {
    bucket: BUCKET,
    region: 'us-west-2',
    endpoint: S3_URL,
    scheduled_interval: SCHEDULED_INTERVAL_SECONDS,
  },
  aws: CREDENTIALS,
  allInOne: { persistence: { size: '2Gi' }, resources: SMALL },
  ingest: { resources: SMALL },
  pipeline: { persistence: { size: '1Gi' }, batcher: { resources: SMALL }, uploader: { resources: SMALL } },
};

/** With the Redis of the tests. */
export function distributed(values: Values = {}): Values {
  return merge(TO_TEST_S3, merge({ mode: 'distributed', config: { redis: { url: REDIS_URL } } }, values));
}

/** With the Redis of the chart: an upgrade to another image replaces that too, and it is one. */
export const WITH_BUNDLED_REDIS: Values = merge(TO_TEST_S3, {
  mode: 'distributed',
  redis: { bundled: { enabled: true, maxmemory: '256mb', persistence: { size: '1Gi' }, resources: SMALL } },
});

export function merge(base: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isValues(before) && isValues(value) ? merge(before, value) : value;
  }
  return merged;
}

function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function workload(kind: string, component: string, container: string): Workload {
  const selector = `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/component=${component}`;
  return { name: `${kind}/${RELEASE}-${component}`, selector, container };
}
