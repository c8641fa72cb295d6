import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './kubectl.ts';
import type { Setup } from './helpers.ts';
import type { Subject } from './parts.ts';
import type { Part } from './report.ts';

/** The oldest and the newest Kubernetes for which kubeconform has schemas. */
const VERSIONS = ['1.30.0', '1.37.0'] as const;
const NAMESPACE = 'sink-test-matrix';

/** An object of Kubernetes, as YAML. */
interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly text: string;
}

/**
 * Every set of values below deploy/helm/matrix: those in `good` pass helm lint, kubeconform, and a dry run on the API server;
 * those in `wrong` are refused by helm install, which names what their first line names.
 */
export const matrix: Subject = {
  name: 'matrix',
  about: 'values of the chart: lint, kubeconform, dry run on the server; wrong ones are refused by name',
  run: async (part, setup) => {
    await run('kubectl', ['create', 'namespace', NAMESPACE]);
    try {
      // That of values that bring no account of the chart.
      await run('kubectl', ['create', 'serviceaccount', 'existing', '--namespace', NAMESPACE]);
      const known = (await run('kubectl', ['api-versions'])).split('\n');
      const manifest = readFileSync(join(setup.root, 'deploy/kubernetes/sink-aws-s3.yaml'), 'utf8');
      await judge(part, setup, 'deploy/kubernetes/sink-aws-s3.yaml', known, async () =>
        manifest.replaceAll('namespace: vanus', `namespace: ${NAMESPACE}`),
      );
      for (const file of valuesIn(setup, 'good')) {
        await judge(part, setup, `good/${nameOf(file)}`, known, async () => {
          await run('helm', ['lint', '--strict', chartOf(setup), '--values', file]);
          const [kubeVersion] = VERSIONS;
          const args = ['--namespace', NAMESPACE, '--kube-version', kubeVersion, '--values', file];
          return run('helm', ['template', 'sink', chartOf(setup), ...args]);
        });
      }
      for (const file of valuesIn(setup, 'wrong')) await refused(part, setup, file);
      await replaces(part, setup);
      await speaksHttps(part, setup);
    } finally {
      await run('kubectl', ['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait=false']);
    }
  },
};

/** Whether kubeconform and the API server take what is rendered. */
async function judge(
  part: Part,
  setup: Setup,
  what: string,
  known: readonly string[],
  render: () => Promise<string>,
): Promise<void> {
  try {
    const rendered = await render();
    const objects = objectsIn(rendered);
    const conformed = await conforms(setup, rendered);
    const here = objects.filter(({ apiVersion }) => known.includes(apiVersion));
    // A pod, as that of helm test, is refused without its account, and a dry run makes none.
    const accounts = here.filter(({ kind }) => kind === 'ServiceAccount');
    if (accounts.length > 0) await apply(accounts);
    await apply(here, '--dry-run=server');
    const others = [...new Set(objects.filter((one) => !here.includes(one)).map(({ kind }) => kind))];
    const unknown = others.length === 0 ? '' : `; this cluster does not know ${others.join(', ')}`;
    part.check(what, objects.length > 0, `${objects.length} objects, ${conformed}, dry run on the server${unknown}`);
  } catch (error) {
    part.check(what, false, error instanceof Error ? error.message : String(error));
  }
}

function objectsIn(rendered: string): readonly Rendered[] {
  return rendered.split(/^---$/m).flatMap((text) => {
    const [, apiVersion] = /^apiVersion: (\S+)$/m.exec(text) ?? [];
    const [, kind] = /^kind: (\S+)$/m.exec(text) ?? [];
    return apiVersion === undefined || kind === undefined ? [] : [{ apiVersion, kind, text }];
  });
}

function apply(objects: readonly Rendered[], ...options: readonly string[]): Promise<string> {
  const text = objects.map((one) => one.text).join('\n---\n');
  return run('kubectl', ['apply', '--namespace', NAMESPACE, ...options, '-f', '-'], text);
}

/** @throws Error with what kubeconform says */
async function conforms({ schemas }: Setup, rendered: string): Promise<string> {
  if (schemas === null) return 'kubeconform left out: there are no schemas';
  const custom = join(schemas, 'schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json');
  const versions = VERSIONS.filter((version) => existsSync(join(schemas, `v${version}-standalone-strict`)));
  for (const version of versions) {
    const locations = ['-schema-location', schemas, '-schema-location', custom];
    await run('kubeconform', ['-strict', '-kubernetes-version', version, ...locations], rendered);
  }
  return `kubeconform ${versions.join(' and ')}`;
}

/** Whether helm install refuses the values and names what is wrong. */
async function refused(part: Part, setup: Setup, file: string): Promise<void> {
  const [, name = ''] = /^# names (.+)$/m.exec(readFileSync(file, 'utf8')) ?? [];
  const what = `wrong/${nameOf(file)} is refused`;
  try {
    await run('helm', [
      'install',
      'sink',
      chartOf(setup),
      '--namespace',
      NAMESPACE,
      '--dry-run=server',
      '--values',
      file,
    ]);
    part.check(what, false, 'helm install takes it');
  } catch (error) {
    // What comes before is the command, with the name of the file.
    const [, said = ''] = /(Error: [^]*)/.exec((error as Error).message) ?? [];
    part.check(what, name !== '' && said.includes(name), said.split('\n').find((line) => line.includes(name)) ?? said);
  }
}

/** A live key changes the ConfigMap alone, which the sink reads again; any other replaces the pods. */
async function replaces(part: Part, setup: Setup): Promise<void> {
  const podsWith = async (setting: string): Promise<string> => {
    const settings = ['mode=distributed', 'redis.bundled.enabled=true', 'redis.bundled.password=p', setting];
    const rendered = await run('helm', ['template', 'sink', chartOf(setup), '--set', settings.join(',')]);
    return JSON.stringify(objectsIn(rendered).filter(({ kind }) => ['Deployment', 'StatefulSet'].includes(kind)));
  };
  const [before, live, other] = [
    await podsWith('config.flush_size=1000'),
    await podsWith('config.flush_size=2000'),
    await podsWith('config.sink_name=other'),
  ];
  part.check('a changed live key replaces no pod', live === before, 'flush_size');
  part.check('another one does', other !== before, 'sink_name');
}

/** Of a ConfigMap that the chart does not make, `config` still says whether the port has TLS. */
async function speaksHttps(part: Part, setup: Setup): Promise<void> {
  const values = valuesIn(setup, 'good').find((file) => nameOf(file) === 'distributed-existing-config-tls') ?? '';
  const rendered = await run('helm', ['template', 'sink', chartOf(setup), '--values', values]);
  const probes = [...rendered.matchAll(/httpGet: .*port: https?\b.*/g)].map(([probe]) => probe);
  part.check(
    'probes and Service use HTTPS with existingConfigMap and config.tls',
    probes.length > 0 &&
      probes.every((probe) => probe.includes('scheme: HTTPS')) &&
      rendered.includes('appProtocol: https'),
    `${probes.length} probes`,
  );
}

function chartOf({ root }: Setup): string {
  return join(root, 'deploy/helm/sink-aws-s3');
}

function valuesIn({ root }: Setup, kind: 'good' | 'wrong'): readonly string[] {
  const directory = join(root, 'deploy/helm/matrix', kind);
  return readdirSync(directory)
    .sort()
    .map((name) => join(directory, name));
}

function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).replace(/\.yaml$/, '');
}
