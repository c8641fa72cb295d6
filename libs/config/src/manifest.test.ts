import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from './load.ts';

const manifest = readFileSync(new URL('../../../deploy/kubernetes/sink-aws-s3.yaml', import.meta.url), 'utf8');
/** Prose has one blank after its #; lines to switch on have none, or the blanks of their indentation. */
const switchedOn = manifest.replaceAll(/^( +)#(?! \S|$)/gm, '$1');

interface Container {
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly scheme?: string } };
}
interface Kubernetes {
  readonly kind: string;
  readonly data: Readonly<Record<string, string>>;
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: readonly [Container]; readonly volumes: readonly { name: string }[] };
    };
  };
}

function objectIn(text: string, kind: string): Kubernetes {
  const found = parseAllDocuments(text)
    .map((document) => document.toJS() as Kubernetes)
    .find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`the manifest has no ${kind}`);
  return found;
}

function configOf(text: string) {
  return loadConfig({
    file: '/config.yml',
    env: {},
    readText: (path) => ({
      text: path === '/config.yml' ? (objectIn(text, 'ConfigMap').data['config.yml'] ?? '') : 'value',
    }),
  });
}

test('the manifest is valid as it is, and with all that is commented in it', () => {
  expect(configOf(manifest)).toMatchObject({ producers: [], validate: 'off', onInvalid: 'reject' });
  expect(configOf(switchedOn)).toMatchObject({
    producers: [
      { name: 'billing', credential: { kind: 'bearer' } },
      { name: 'vanus', credential: { kind: 'basic' } },
      { name: 'mesh', credential: { kind: 'mtls' } },
    ],
    tlsCertFile: '/etc/sink/tls/tls.crt',
    tlsClientCaFile: '/etc/sink/tls/ca.crt',
    validate: 'known',
    schemasDirectories: [{ path: '/etc/sink/schemas' }],
    onInvalid: 'quarantine',
  });
});

test('every path in the configuration of the manifest is on a volume, and every probe has the scheme of the port', () => {
  const { volumes, containers } = objectIn(switchedOn, 'Deployment').spec.template.spec;
  const [{ volumeMounts, ...container }] = containers;
  expect(volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name));
  const paths = [
    ...(objectIn(switchedOn, 'ConfigMap').data['config.yml'] ?? '').matchAll(/(?:_file|path): (\/[^ ,}\n]+)/g),
  ];
  expect(paths).toHaveLength(8);
  for (const [, path = ''] of paths) {
    expect(
      volumeMounts.some(({ mountPath }) => `${path}/`.startsWith(`${mountPath}/`)),
      path,
    ).toBe(true);
  }
  for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const) {
    expect(container[probe]?.httpGet.scheme).toBe('HTTPS');
  }
});
