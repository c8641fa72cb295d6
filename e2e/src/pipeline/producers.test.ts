import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, startOtlpReceiver, temporaryDirectory } from '@sink/testing';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { runCommand } from '../harness/command-line.ts';
import { Pipeline } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

/** None of these may ever be seen: passwords, tokens, and what a stranger sends as one. */
const SECRETS = ['hunter22-basic', 'hunter22-bearer', 'hunter22-header', 'hunter22-file', 'hunter22-stranger'] as const;
const [PASSWORD, BEARER, HEADER, IN_FILE, STRANGER] = SECRETS;
const EVENT = JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', data: 'x' });
const basic = (password: string): string => `Basic ${Buffer.from(`vanus:${password}`).toString('base64')}`;

it('a sink with producers lets in whom it should, `try` and `check` know them, and no secret is seen anywhere', async () => {
  const file = join(temporaryDirectory('producers'), 'tokens');
  writeFileSync(file, `${IN_FILE}\n`);
  const collector = await startOtlpReceiver();
  onTestFinished(() => collector.close());
  const producers = [
    { name: 'grid', query: { parameter: 'code', tokens_file: file }, only: { types: ['t'] } },
    { name: 'vanus', basic: { user: 'vanus', password: PASSWORD } },
    { name: 'billing', bearer: { tokens: [BEARER] } },
    { name: 'bridge', header: 'X-Api-Key', bearer: { tokens: [HEADER] } },
  ];
  const settings = {
    SINK_PRODUCERS: JSON.stringify(producers),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    SINK_LOG_LEVEL: 'trace',
    SINK_RECEIPTS_MAX: '1000',
  };
  const sink = (pipeline = await Pipeline.start({ settings }));
  const [ingest] = sink.of('ingest');
  const url = ingest?.url ?? '';
  const post = async (
    headers: Record<string, string>,
    query = '',
    body = EVENT,
  ): Promise<readonly [number, string]> => {
    const answer = await fetch(`${url}/${query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/cloudevents+json', ...headers },
      body,
    });
    return [answer.status, await answer.text()];
  };
  const right = [
    await post({ Authorization: basic(PASSWORD) }),
    await post({ Authorization: `Bearer ${BEARER}` }),
    await post({ 'X-Api-Key': HEADER }),
    await post({}, `?code=${IN_FILE}`),
  ];
  expect(right).toEqual(right.map(() => [202, '']));
  const wrong = [
    await post({}),
    await post({ Authorization: basic(STRANGER) }),
    await post({ Authorization: `Bearer ${STRANGER}` }),
    await post({ 'X-Api-Key': STRANGER }),
    await post({}, `?code=${STRANGER}`),
    await post({}, `?code=${IN_FILE}&code=${STRANGER}`),
  ];
  expect(wrong.map(([status]) => status)).toEqual([401, 401, 401, 401, 401, 401]);
  const bad = [
    await post({ Authorization: `Bearer ${BEARER}` }, '', '{'),
    await post({}, `?code=${IN_FILE}`, EVENT.replace('"t"', '"u"')),
  ];
  expect(bad.map(([status]) => status)).toEqual([400, 403]);

  const uploader = sink.of('uploader')[0]?.opsUrl ?? '';
  const tried = (...more: string[]) =>
    runCommand(sink, ['try', '--post', url, '--uploader', uploader, '--timeout', '30', ...more]);
  const asVanus = await tried();
  expect(asVanus.output).toMatch(/^posting as the producer vanus\n202: [^]*\nOK: /);
  const byHeader = await tried('--header', `X-Api-Key: ${HEADER}`);
  expect(byHeader.output).toMatch(/^202: [^]*\nOK: /);
  const stranger = await tried('--header', `X-Api-Key: ${STRANGER}`);
  expect(stranger).toMatchObject({ code: 1 });
  expect(stranger.output).toMatch(/FAILED: posting an event [^]*401 .*; give credentials with --header/);

  writeFileSync(file, '');
  const warned = async (): Promise<string> => (await fetch(`${ingest?.opsUrl ?? ''}/readyz`)).text();
  await eventually(async () => expect(await warned()).toContain('is empty; it lets nobody in'), { timeoutMs: 15_000 });
  expect((await post({}, `?code=${IN_FILE}`))[0]).toBe(401);
  const metrics = await (await fetch(`${ingest?.opsUrl ?? ''}/metrics`)).text();
  expect(metrics).toContain('sink_ingest_producer_events_accepted_total{producer="grid"} 1\n');
  expect(metrics).toContain('sink_ingest_producer_requests_refused_total{producer="billing",reason="json"} 1\n');
  expect(metrics).toContain('sink_ingest_producer_requests_refused_total{producer="grid",reason="not_allowed"} 1\n');
  expect(metrics).toContain('sink_ingest_producer_trouble{producer="grid"} 1\n');

  const checked = await runCommand(sink, ['check']);
  expect(checked.output).toContain('who may send');
  expect(checked.output).toContain('vanus (basic, user vanus); billing (bearer token)');
  expect(checked.output).toContain('warning: grid: ');
  rmSync(file);
  const gone = await runCommand(sink, ['check']);
  expect(gone).toMatchObject({ code: 1 });
  expect(gone.output).toContain(`Producers: FAILED: grid: ${file} does not exist`);
  const mistaken = { ...producers[1], basic: { user: 'vanus', password: [PASSWORD] } };
  const refused = await runCommand(sink, ['check'], { SINK_PRODUCERS: JSON.stringify([mistaken]) });
  expect(refused.output).toContain('producers[0].basic.password: given a value that is not shown');

  await sink.drained();
  await eventually(() => expect(JSON.stringify(collector.spans)).toContain('"sink.producer":"billing"'));
  const objects = await sink.objects();
  const outputs = {
    answers: [...right, ...wrong, ...bad].map(([, text]) => text),
    readyz: await warned(),
    metrics: await (await fetch(`${ingest?.opsUrl ?? ''}/metrics`)).text(),
    traces: collector.spans,
    objects: [...objects],
    commands: [asVanus, byHeader, stranger, checked, gone, refused],
    logs: sink.services.map(({ process }) => process.output()),
  };
  expect(outputs.logs.join('')).toContain('a credential of a producer has a problem');
  const text = JSON.stringify(outputs);
  for (const secret of SECRETS) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(`vanus:${secret}`).toString('base64'));
  }
});
