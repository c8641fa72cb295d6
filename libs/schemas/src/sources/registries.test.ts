import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Registry, type RegistryKind } from './registries.ts';
import { DOCUMENT_BYTES_MAX } from './source.ts';

const SCHEMA = '{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["id"]}';

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

const open: { server: Server; registry: Registry }[] = [];
afterEach(() => {
  for (const { server, registry } of open.splice(0)) {
    registry.close();
    server.closeAllConnections();
    server.close();
  }
});

/** A registry that answers as it documents, on these paths with their queries; on others with a 404 of its kind. */
async function start(
  kind: RegistryKind,
  answers: Readonly<Record<string, Answer>>,
  bearer?: () => string | null,
  below = '',
) {
  const asked: { url: string; authorization: string | undefined }[] = [];
  const listener: RequestListener = ({ url = '', headers }, res) => {
    asked.push({ url, authorization: headers.authorization });
    const answer = answers[url] ?? { status: 404, body: '{"error_code":40401,"message":"Subject not found."}' };
    res.writeHead(answer.status ?? 200, { 'Content-Type': 'application/json', ...answer.headers });
    res.end(answer.body);
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${below}`;
  const registry = new Registry({ kind, url, ...(bearer !== undefined && { bearer }) });
  open.push({ server, registry });
  return { url, registry, asked };
}

describe('any registry', () => {
  it('is for URIs below its address: the same origin and whole segments', async () => {
    const { registry, url } = await start('confluent', {}, undefined, '/registry');
    const { port } = new URL(url);
    expect(registry.isFor(`${url}/subjects/a/versions/1`)).toBe(true);
    for (const uri of [
      `${url}-2/subjects/a/versions/1`,
      `http://127.0.0.1:${port}/other/subjects/a/versions/1`,
      `${url}/../other/subjects/a/versions/1`,
      `${url}/%2e%2e/admin`,
      `https://127.0.0.1:${port}/registry/subjects/a/versions/1`,
      `http://127.0.0.1:1/registry/subjects/a/versions/1`,
      `http://user@127.0.0.1:${port}/registry/subjects/a/versions/1`,
      `http://127.0.0.1:${port}@evil.test/registry/subjects/a/versions/1`,
      'urn:registry',
    ]) {
      expect([uri, registry.isFor(uri)]).toEqual([uri, false]);
    }
  });

  it('sends its bearer token as the file has it now, and asks for nothing while there is none', async () => {
    let token: string | null = 'one';
    const { registry, url, asked } = await start('xregistry', {}, () => token);
    await registry.find(`${url}/schemagroups/g/schemas/s`);
    token = 'two';
    await registry.find(`${url}/schemagroups/g/schemas/s`);
    token = null;
    expect(await registry.find(`${url}/schemagroups/g/schemas/s`)).toMatchObject({ kind: 'away' });
    expect(asked.map(({ authorization }) => authorization)).toEqual(['Bearer one', 'Bearer two']);
  });

  it.each([
    [401, 'away'],
    [403, 'away'],
    [404, 'absent'],
    [303, 'unusable'],
    [500, 'away'],
  ] as const)('answers %i: %s', async (status, kind) => {
    const path = '/schemagroups/g/schemas/s';
    const { registry, url } = await start('xregistry', {
      [path]: { status, headers: { Location: 'http://127.0.0.1:1/' }, body: '' },
    });
    expect((await registry.find(url + path)).kind).toBe(kind);
  });

  it('is away when nothing listens, and a schema that is too large is not used', async () => {
    const path = '/schemagroups/g/schemas/s';
    const { registry, url } = await start('xregistry', { [path]: { body: ' '.repeat(DOCUMENT_BYTES_MAX + 1) } });
    expect(await registry.find(url + path)).toMatchObject({ kind: 'unusable' });
    open[0]?.server.closeAllConnections();
    await new Promise((resolve) => open[0]?.server.close(resolve));
    expect((await registry.find(url + path)).kind).toBe('away');
  });

  it.each(['admin/export', 'subjects', 'subjects/a', 'subjects/a/versions/1?deleted=true', 'subjects//versions/1', ''])(
    'is asked for no other path: %s',
    async (path) => {
      const { registry, url, asked } = await start('confluent', {});
      expect(await registry.find(`${url}/${path}`)).toMatchObject({ kind: 'absent' });
      expect(asked).toEqual([]);
    },
  );
});

/** As documented for Schema Registry 7.x and 8.x ("Schema Registry API Reference"). */
describe('confluent', () => {
  const escaped = JSON.stringify(SCHEMA);
  const version = `{"subject":"orders-value","version":3,"id":17,"schemaType":"JSON","schema":${escaped}}`;

  it.each([
    ['/subjects/orders-value/versions/3', '/subjects/orders-value/versions/3', 'forever'],
    ['/subjects/orders-value/versions/3/schema', '/subjects/orders-value/versions/3', 'forever'],
    ['/subjects/orders-value/versions/latest', '/subjects/orders-value/versions/latest', 'unknown'],
    ['/schemas/ids/17', '/schemas/ids/17', 'forever'],
    ['/schemas/ids/17/schema', '/schemas/ids/17', 'forever'],
    ['/subjects/:.tenant:a%2Fb/versions/1', '/subjects/:.tenant:a%2Fb/versions/1', 'forever'],
  ])('%s', async (path, asks, keeps) => {
    const { registry, url, asked } = await start('confluent', { [asks]: { body: version } });
    expect(await registry.find(url + path)).toEqual({
      kind: 'document',
      document: { uri: url + path, text: SCHEMA, keeps, references: {} },
    });
    expect(asked.map((request) => request.url)).toEqual([asks]);
  });

  it('says where references lead', async () => {
    const references = '[{"name":"product.json","subject":"product value","version":2},{"name":"bad"}]';
    const body = `{"id":18,"schemaType":"JSON","schema":${escaped},"references":${references}}`;
    const { registry, url } = await start('confluent', { '/schemas/ids/18': { body } });
    expect(await registry.find(`${url}/schemas/ids/18`)).toMatchObject({
      document: { references: { 'product.json': `${url}/subjects/product%20value/versions/2` } },
    });
  });

  it('passes over a reference that no URI can say', async () => {
    const references = '[{"name":"a","subject":"\\ud800","version":2},{"name":"b","subject":"b","version":1}]';
    const body = `{"id":19,"schemaType":"JSON","schema":${escaped},"references":${references}}`;
    const { registry, url } = await start('confluent', { '/schemas/ids/19': { body } });
    expect(await registry.find(`${url}/schemas/ids/19`)).toMatchObject({
      kind: 'document',
      document: { references: { b: `${url}/subjects/b/versions/1` } },
    });
  });

  it.each([
    ['{"schema":"{\\"type\\":\\"record\\"}"}', 'AVRO'],
    ['{"schemaType":"PROTOBUF","schema":"syntax = \\"proto3\\";"}', 'PROTOBUF'],
    ['{}', 'Confluent'],
    ['null', 'Confluent'],
    ['<html>', 'Confluent'],
  ])('%s is not used', async (body, why) => {
    const { registry, url } = await start('confluent', { '/schemas/ids/1': { body } });
    expect(await registry.find(`${url}/schemas/ids/1`)).toMatchObject({
      kind: 'unusable',
      why: expect.stringContaining(why) as string,
    });
  });
});

/** As in the OpenAPI document of Apicurio Registry 3.1 (Core Registry API v3). */
describe('apicurio', () => {
  const below = '/apis/registry/v3';

  it.each([
    [
      '/groups/g/artifacts/order/versions/2',
      '/groups/g/artifacts/order/versions/2/content?references=DEREFERENCE',
      'forever',
    ],
    [
      '/groups/g/artifacts/order/versions/2/content',
      '/groups/g/artifacts/order/versions/2/content?references=DEREFERENCE',
      'forever',
    ],
    [
      '/groups/g/artifacts/a%2Fb/versions/branch=latest',
      '/groups/g/artifacts/a%2Fb/versions/branch=latest/content?references=DEREFERENCE',
      'unknown',
    ],
    [
      '/groups/g/artifacts/order/versions/branch%3Dlatest/content',
      '/groups/g/artifacts/order/versions/branch%3Dlatest/content?references=DEREFERENCE',
      'unknown',
    ],
    ['/ids/globalIds/7', '/ids/globalIds/7?references=DEREFERENCE&returnArtifactType=true', 'forever'],
    ['/ids/contentIds/8', '/ids/contentIds/8', 'forever'],
    ['/ids/contentHashes/abc', '/ids/contentHashes/abc', 'forever'],
  ])('%s', async (path, asks, keeps) => {
    for (const base of ['', below]) {
      const { registry, url, asked } = await start('apicurio', { [below + asks]: { body: SCHEMA } }, undefined, base);
      const uri = `${url}${base === '' ? below : ''}${path}`;
      expect(await registry.find(uri)).toEqual({
        kind: 'document',
        document: { uri, text: SCHEMA, keeps, references: {} },
      });
      expect(asked.map((request) => request.url)).toEqual([below + asks]);
    }
  });

  it('a schema of another type is not used', async () => {
    const asks = `${below}/ids/globalIds/7?references=DEREFERENCE&returnArtifactType=true`;
    const { registry, url } = await start('apicurio', {
      [asks]: { headers: { 'X-Registry-ArtifactType': 'AVRO' }, body: '{"type":"record"}' },
    });
    expect(await registry.find(`${url}${below}/ids/globalIds/7`)).toMatchObject({
      kind: 'unusable',
      why: expect.stringContaining('AVRO') as string,
    });
  });

  it('metadata and the rest of the API are not asked for', async () => {
    const { registry, url, asked } = await start('apicurio', {});
    for (const path of [
      '/groups/g/artifacts/order',
      '/admin/export',
      '/ids/globalIds/x',
      '/ids/globalIds/7/references',
    ]) {
      expect((await registry.find(url + below + path)).kind).toBe('absent');
    }
    expect(asked).toEqual([]);
  });
});

/** As in the HTTP binding of xRegistry 1.0 (core/http.md, schema/spec.md). */
describe('xregistry', () => {
  const headers = {
    'xRegistry-schemaid': 'myschema',
    'xRegistry-versionid': '1.0',
    'xRegistry-xid': '/schemagroups/g1/schemas/myschema/versions/1.0',
    'xRegistry-epoch': '2',
    'Content-Disposition': 'attachment; filename="myschema"',
  };

  it.each(['/schemagroups/g1/schemas/myschema/versions/1.0', '/schemagroups/g1/schemas/myschema'])(
    '%s',
    async (path) => {
      const { registry, url } = await start('xregistry', {
        [path]: { headers: { ...headers, 'xRegistry-format': 'JsonSchema/draft-07' }, body: SCHEMA },
      });
      expect(await registry.find(url + path)).toEqual({
        kind: 'document',
        document: { uri: url + path, text: SCHEMA, keeps: 'unknown', references: {} },
      });
    },
  );

  it.each(['Avro/1.9', 'Protobuf/3', 'XSD/1.1'])('a schema of the format %s is not used', async (format) => {
    const path = '/schemagroups/g1/schemas/s/versions/1';
    const { registry, url } = await start('xregistry', {
      [path]: { headers: { ...headers, 'xRegistry-format': format }, body: 'x' },
    });
    expect(await registry.find(url + path)).toMatchObject({
      kind: 'unusable',
      why: expect.stringContaining(format) as string,
    });
  });

  it('metadata are not asked for', async () => {
    const { registry, url, asked } = await start('xregistry', {});
    for (const path of [
      '/schemagroups/g1/schemas/s/versions/1$details',
      '/schemagroups/g1',
      '/endpoints/e',
      '/schemagroups/g1/schemas/s/meta',
    ]) {
      expect((await registry.find(url + path)).kind).toBe('absent');
    }
    expect(asked).toEqual([]);
  });
});
