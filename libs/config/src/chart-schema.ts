import { livePaths } from './changes.ts';
import type { Field } from './field.ts';
import { isTree } from './nested.ts';
import { jsonSchema } from './reference.ts';
import { isSettingPath, settings } from './settings.ts';

type Schema = Readonly<Record<string, unknown>> | boolean;
type Schemas = Readonly<Record<string, Schema>>;
type Tree = Readonly<Record<string, unknown>>;

/** Above this, Helm's engine of regular expressions takes no count of repeats. It has no lookahead either. */
const REPEATS_MAX = 1_000;
/** Keys that the chart decides itself. */
const DECIDED: readonly string[] = ['$schema', 'data_dir', 'redis_port'];
/** Addresses that may hold a password: the chart's templates refuse one, which a schema cannot explain. */
const ADDRESSES: readonly string[] = ['redis.url', 'proxy_url'];
const PORTS: readonly string[] = ['port', 'ingest_ops_port', 'batcher_ops_port', 'uploader_ops_port'];

const text: Schema = { type: 'string' };
const name: Schema = { type: 'string', maxLength: 253, pattern: '^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$' };
const flag: Schema = { type: 'boolean' };
/** What Kubernetes itself checks. */
const anyObject: Schema = { type: 'object' };
const texts: Schema = { type: 'object', additionalProperties: text };
const quantity: Schema = { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$' };
const portNumber: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };

function integer(minimum: number): Schema {
  return { type: 'integer', minimum };
}
function choice(...words: readonly string[]): Schema {
  return { type: 'string', enum: words };
}
function list(items: Schema): Schema {
  return { type: 'array', items };
}
/** Only these keys: any other one is refused with its name. */
function section(properties: Schemas): Schema {
  return { type: 'object', additionalProperties: false, properties };
}

const objects = list(anyObject);
const scheduling = { nodeSelector: texts, tolerations: objects, affinity: anyObject, priorityClassName: name };
const workload = {
  ...scheduling,
  podDisruptionBudget: section({ enabled: flag, maxUnavailable: { type: ['integer', 'string'] } }),
  podAnnotations: texts,
  podLabels: texts,
  extraEnv: objects,
  extraVolumes: objects,
  extraVolumeMounts: objects,
};
const claim = { size: quantity, storageClass: name, annotations: texts };

const redis = section({
  existingSecret: name,
  passwordKey: text,
  urlKey: text,
  sentinelPasswordKey: text,
  tls: section({ existingSecret: name, caKey: text, certKey: text, keyKey: text }),
  bundled: section({
    enabled: flag,
    maxmemory: { type: 'string', pattern: '^[0-9]+([kKmMgG][bB]?)?$' },
    password: { type: 'string', pattern: '^[^\\s"]*$' },
    persistence: section(claim),
    resources: anyObject,
    ...scheduling,
  }),
});

const ingest = section({
  ...workload,
  replicas: integer(0),
  autoscaling: section({
    enabled: flag,
    minReplicas: integer(1),
    maxReplicas: integer(1),
    targetCPUUtilizationPercentage: integer(1),
    metrics: objects,
    behavior: anyObject,
  }),
  drainSeconds: integer(0),
  resources: anyObject,
  topologySpreadConstraints: objects,
});

const pipeline = section({
  ...workload,
  replicas: integer(0),
  autoscaling: section({
    enabled: flag,
    // Without any pod nothing would be stored, and nothing would tell KEDA so.
    minReplicas: integer(1),
    maxReplicas: integer(1),
    pollingInterval: integer(1),
    behavior: anyObject,
    waitingSegments: integer(1),
    source: choice('metrics-api', 'prometheus'),
    prometheus: section({ serverAddress: text, ageQuery: text, waitingQuery: text, authenticationRef: anyObject }),
  }),
  persistence: section({ ...claim, enabled: flag }),
  batcher: section({ resources: anyObject }),
  uploader: section({ resources: anyObject }),
  topologySpreadConstraints: objects,
});

const values = {
  global: anyObject,
  mode: choice('all-in-one', 'distributed'),
  nameOverride: name,
  fullnameOverride: name,
  commonLabels: texts,
  image: section({
    repository: { type: 'string', minLength: 1 },
    tag: text,
    digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
    pullPolicy: choice('IfNotPresent', 'Always', 'Never'),
  }),
  imagePullSecrets: objects,
  config: chartConfig(),
  existingConfigMap: name,
  aws: section({
    roleArn: { type: 'string', pattern: '^(arn:.+)?$' },
    podIdentity: flag,
    existingSecret: name,
    accessKeyIdKey: text,
    secretAccessKeyKey: text,
    sessionTokenKey: text,
    accessKeyId: text,
    secretAccessKey: text,
    sessionToken: text,
  }),
  redis,
  serviceAccount: section({ create: flag, name, annotations: texts }),
  extraEnv: objects,
  extraEnvFrom: objects,
  extraVolumes: objects,
  extraVolumeMounts: objects,
  podAnnotations: texts,
  podLabels: texts,
  podSecurityContext: anyObject,
  securityContext: anyObject,
  tls: section({
    enabled: flag,
    existingSecret: name,
    certKey: text,
    keyKey: text,
    clientCaSecret: name,
    clientCaKey: text,
  }),
  service: section({
    type: choice('ClusterIP', 'NodePort', 'LoadBalancer'),
    port: portNumber,
    annotations: texts,
    loadBalancerClass: text,
    loadBalancerSourceRanges: list(text),
    externalTrafficPolicy: choice('', 'Cluster', 'Local'),
  }),
  allInOne: section({
    ...workload,
    resources: anyObject,
    persistence: section({ ...claim, enabled: flag, existingClaim: name }),
  }),
  ingest,
  pipeline,
  ingress: section({
    enabled: flag,
    className: name,
    annotations: texts,
    hosts: list(section({ host: text, paths: list({ type: 'string', pattern: '^/' }) })),
    tls: list(section({ secretName: name, hosts: list(text) })),
  }),
  httpRoute: section({
    enabled: flag,
    annotations: texts,
    parentRefs: objects,
    hostnames: list(text),
    matches: objects,
    filters: objects,
    timeouts: anyObject,
  }),
  certificate: section({
    enabled: flag,
    secretName: name,
    dnsNames: list(text),
    issuerRef: section({ kind: text, name, group: text }),
  }),
  networkPolicy: section({
    enabled: flag,
    from: objects,
    metricsFrom: objects,
    redisPorts: list(portNumber),
    storePorts: list(portNumber),
    extraEgress: objects,
  }),
  serviceMonitor: section({
    enabled: flag,
    interval: text,
    scrapeTimeout: text,
    labels: texts,
    relabelings: objects,
    metricRelabelings: objects,
  }),
  prometheusRule: section({ enabled: flag, labels: texts, runbookAddress: text }),
  dashboard: section({ enabled: flag, labels: texts, annotations: texts }),
  tests: section({ enabled: flag, timeoutSeconds: integer(1), resources: anyObject }),
  extraObjects: list({ type: ['object', 'string'] }),
} as const satisfies Schemas;

/** `{ 'a.b': schema }` -> the schema of `{ a: { b: … } }` in which the keys on the way are present. */
function at(path: string, schema: Schema, present: boolean): Schema {
  return path
    .split('.')
    .reduceRight<Schema>(
      (inner, key) => ({ properties: { [key]: inner }, ...(present ? { required: [key] } : {}) }),
      schema,
    );
}

interface Rule {
  readonly when: Readonly<Record<string, unknown>>;
  readonly then: Schemas;
}

/** Rules about several values. */
const RULES: readonly Rule[] = [
  { when: { mode: 'all-in-one' }, then: { 'config.redis': false } },
  // A pod that is scaled away, or one without a volume, would strand what only its disk holds.
  ...[{ 'pipeline.autoscaling.enabled': true }, { 'pipeline.persistence.enabled': false }].map((when) => ({
    when: { mode: 'distributed', ...when },
    then: { 'config.spill_at': { enum: [0, '0'] } },
  })),
  { when: { 'ingress.enabled': true }, then: { 'ingress.hosts': { minItems: 1 } } },
  { when: { 'httpRoute.enabled': true }, then: { 'httpRoute.parentRefs': { minItems: 1 } } },
  {
    when: { 'certificate.enabled': true },
    then: { 'certificate.dnsNames': { minItems: 1 }, 'certificate.issuerRef.name': { minLength: 1 } },
  },
  {
    when: { 'pipeline.autoscaling.enabled': true, 'pipeline.autoscaling.source': 'prometheus' },
    then: { 'pipeline.autoscaling.prometheus.serverAddress': { minLength: 1 } },
  },
];

/** The configuration without secrets, which belong into a Secret and not into a ConfigMap. */
function chartConfig(): Schema {
  const keep = (properties: object, before: string): Schemas =>
    Object.fromEntries(
      Object.entries(properties as Record<string, Record<string, unknown>>).flatMap(([key, schema]) => {
        const path = before + key;
        if (DECIDED.includes(path)) return [];
        if (!isSettingPath(path) && typeof schema['properties'] === 'object' && schema['properties'] !== null) {
          return [[key, { ...schema, properties: keep(schema['properties'], `${path}.`) }]];
        }
        const { secret = false, nested = null } = isSettingPath(path) ? settings[path] : {};
        if (secret && nested === null && !ADDRESSES.includes(path)) return [];
        if (PORTS.includes(path)) return [[key, { ...schema, minimum: 1 }]];
        return [[key, portable(isSettingPath(path) ? withoutSecretKeys(schema, settings[path]) : schema)]];
      }),
    );
  const { properties } = jsonSchema();
  return section(keep(properties as object, ''));
}

/** Without the patterns that Helm's engine does not know. What it lets through is refused when the sink starts. */
function portable(schema: Tree): Tree {
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => key !== 'pattern' || typeof value !== 'string' || isPortable(value))
      .map(([key, value]) => [key, portableInside(value)]),
  );
}

function portableInside(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(portableInside);
  return isTree(value) ? portable(value) : value;
}

function isPortable(pattern: string): boolean {
  const repeats = [...pattern.matchAll(/\{(?:\d+,)?(\d+)\}/g)].map(([, most]) => Number(most));
  return !pattern.includes('(?!') && repeats.every((most) => most <= REPEATS_MAX);
}

/** Of a list of mappings: without the keys inside that hold secrets. Their files stay. */
function withoutSecretKeys(schema: Tree, { nested }: Pick<Field, 'nested'>): Tree {
  if (nested === undefined) return schema;
  const { anyOf, items, properties } = schema as {
    readonly anyOf?: readonly Tree[];
    readonly items?: Tree;
    readonly properties?: Readonly<Record<string, Tree>>;
  };
  // Text beside a mapping.
  if (anyOf !== undefined) return { ...schema, anyOf: anyOf.map((one) => withoutSecretKeys(one, { nested })) };
  if (nested.kind === 'list' && items !== undefined) {
    return { ...schema, items: withoutSecretKeys(items, { nested: { ...nested, kind: 'mapping' } }) };
  }
  if (properties === undefined) return schema;
  const kept = Object.entries(properties).flatMap(([key, inner]) => {
    const field = nested.shape[key];
    if (field === undefined || (field.secret && field.nested === undefined)) return [];
    return [[key, withoutSecretKeys(inner, field)] as const];
  });
  return { ...schema, properties: Object.fromEntries(kept) };
}

/** deploy/helm/sink-aws-s3/files/live-keys.json: a change of these keys alone replaces no pod. */
export function renderLiveKeys(): string {
  return `${JSON.stringify(livePaths, undefined, 2)}\n`;
}

/** deploy/helm/sink-aws-s3/values.schema.json: draft 7, which every Helm 3 knows. */
export function renderChartSchema(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart sink-aws-s3',
    ...(section(values) as object),
    allOf: RULES.map(({ when, then }) => ({
      if: { allOf: Object.entries(when).map(([path, value]) => at(path, { const: value }, true)) },
      then: { allOf: Object.entries(then).map(([path, rule]) => at(path, rule, false)) },
    })),
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}
