import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { argoEvents, type ArgoTrigger } from './argo-events.ts';
import { deliver, type Sender } from './deliver.ts';
import { asStructuredCloudEvent, eventBridge } from './event-bridge.ts';
import { eventGrid, eventGridHandshake } from './event-grid.ts';
import { knative } from './knative.ts';
import { vanus } from './vanus.ts';

interface Received {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const EVENT = { attributes: { id: 'n-é', source: '/s/a%2Fb', type: 't', subject: '€ "q" %' }, data: '{"a":1}' };
const JSON_EVENT = { ...EVENT, datacontenttype: 'application/json' };
const STRUCTURED = { specversion: '1.0', id: '1', source: '/s', type: 't' };
const HOUR_MS = 3_600_000;

/** The waits of a sender that gets nothing but this status, without its requests. */
function waitsOf(sender: Sender, status: number): number[] {
  const waitsMs: number[] = [];
  for (let elapsedMs = 0; ; elapsedMs = waitsMs.reduce((sum, ms) => sum + ms, 0)) {
    const step = sender.next({ status, headers: {} }, waitsMs.length, elapsedMs);
    if (typeof step === 'string') return waitsMs;
    waitsMs.push(step.waitMs);
  }
}

describe('senders', () => {
  const received: Received[] = [];
  /** The answers in their order, the last one again and again. 0: the connection is closed; -1: none comes. */
  let answers: { readonly status: number; readonly headers?: Readonly<Record<string, string>> }[] = [];
  let server: Server;
  let url: string;
  beforeEach(async () => {
    received.length = 0;
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', () => {
        const { status, headers = {} } = (answers.length > 1 ? answers.shift() : answers[0]) ?? { status: 202 };
        received.push({
          method: request.method ?? '',
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        });
        if (status === 0) request.socket.destroy();
        else if (status > 0) response.writeHead(status, headers).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });

  function answering(...statuses: readonly number[]): void {
    answers = statuses.map((status) => ({ status }));
  }

  /** The statuses after which a sender sends again. */
  async function retried(sender: Sender, statuses: readonly number[]): Promise<number[]> {
    const again: number[] = [];
    for (const status of statuses) {
      answering(status, 202);
      const { statuses: got } = await deliver(url, sender, { timeoutMs: 1_000 });
      if (got.length > 1) again.push(status);
    }
    return again;
  }

  const FAILURES = [0, 400, 401, 403, 404, 407, 408, 409, 413, 415, 429, 500, 501, 502, 503, 504];

  it('Vanus and Knative send values of attributes as UTF-8, not percent-encoded', async () => {
    answering(202);
    for (const sender of [vanus(JSON_EVENT), knative(JSON_EVENT)]) await deliver(url, sender);
    for (const { method, headers, body } of received) {
      expect(method).toBe('POST');
      expect(Buffer.from(String(headers['ce-subject']), 'latin1').toString()).toBe('€ "q" %');
      expect(headers).toMatchObject({
        'ce-source': '/s/a%2Fb',
        'content-type': 'application/json',
        'content-length': '7',
      });
      expect(body).toBe('{"a":1}');
    }
    expect(received[0]?.headers).toHaveProperty('ce-xvanuseventbus');
    expect(received[1]?.headers).toMatchObject({
      prefer: 'reply',
      'ce-knativearrivaltime': expect.any(String) as string,
    });
  });

  it('Vanus retries 429, 5xx and no answer for hours, with other attributes, and gives up after 32 retries', async () => {
    expect(await retried(vanus(EVENT), FAILURES)).toEqual([0, 429, 500, 501, 502, 503, 504]);
    answering(503);
    received.length = 0;
    const { outcome, waitsMs } = await deliver(url, vanus(EVENT));
    expect(outcome).toBe('given_up');
    expect(waitsMs).toHaveLength(32);
    expect(waitsMs.slice(0, 4)).toEqual([1_000, 5_000, 10_000, 30_000]);
    expect(Math.max(...waitsMs)).toBe(HOUR_MS);
    expect(received[0]?.headers).not.toHaveProperty('ce-xvanusretryattempts');
    expect(received.at(-1)?.headers['ce-xvanusretryattempts']).toBe('32');
  });

  it('Vanus never sends an event of an ordered subscription again', async () => {
    expect(await retried(vanus(EVENT, { ordered: true }), FAILURES)).toEqual([]);
  });

  it('Knative sends once without a delivery, and else retries 404, 408, 409, 429, 5xx and no answer', async () => {
    expect(await retried(knative(EVENT), FAILURES)).toEqual([]);
    const delivery = { retry: 3, backoffDelayMs: 200 } as const;
    expect(await retried(knative(EVENT, delivery), FAILURES)).toEqual([0, 404, 408, 409, 429, 500, 501, 502, 503, 504]);
    answering(503);
    const { outcome, waitsMs } = await deliver(url, knative(EVENT, delivery));
    expect([outcome, waitsMs]).toEqual(['given_up', [200, 400, 800]]);
    const linear = knative(EVENT, { ...delivery, backoffPolicy: 'linear' });
    expect((await deliver(url, linear)).waitsMs).toEqual([0, 200, 400]);
  });

  it('Knative obeys Retry-After up to its limit, if it has one', async () => {
    answers = [{ status: 503, headers: { 'retry-after': '5' } }, { status: 202 }];
    const delivery = { retry: 1, backoffDelayMs: 200, retryAfterMaxMs: 3_000 } as const;
    expect((await deliver(url, knative(EVENT, delivery))).waitsMs).toEqual([3_000]);
  });

  it('Argo Events takes every answer for a success without a policy, and sends once without atLeastOnce or steps', async () => {
    const event = { context: { id: '7', source: 'webhook', type: 'webhook' }, data: { body: { n: 1 }, header: {} } };
    const trigger: ArgoTrigger = {
      headers: { 'Content-Type': 'application/cloudevents+json' },
      payload: [
        { src: { value: '1.0' }, dest: 'specversion' },
        { src: { contextKey: 'id' }, dest: 'id' },
        { src: { dataKey: 'body', useRawData: true }, dest: 'data' },
        { src: { dataKey: 'body' }, dest: 'text' },
      ],
    };
    answering(503);
    expect(await deliver(url, argoEvents(event, trigger))).toMatchObject({ outcome: 'delivered', statuses: [503] });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({
      specversion: '1.0',
      id: '7',
      data: { n: 1 },
      text: '{"n":1}',
    });
    const judging = { ...trigger, allow: [202], retryStrategy: { steps: 3, durationMs: 1_000, factor: 2 } };
    expect(await deliver(url, argoEvents(event, judging))).toMatchObject({ outcome: 'given_up', statuses: [503] });
    const again = { ...judging, atLeastOnce: true };
    const { outcome, waitsMs } = await deliver(url, argoEvents(event, again));
    expect([outcome, waitsMs]).toEqual(['given_up', [1_000, 2_000]]);
  });

  it('Event Grid wants its handshake, sends one event or a batch, and retries for a day all but 400, 401, 403 and 413', async () => {
    answers = [{ status: 200, headers: { 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' } }];
    expect(await eventGridHandshake(url)).toBe(true);
    expect(received[0]).toMatchObject({
      method: 'OPTIONS',
      headers: { 'webhook-request-origin': 'eventgrid.azure.net' },
    });
    for (const refusing of [{ status: 200 }, { ...answers[0], status: 405 }]) {
      answers = [refusing];
      expect(await eventGridHandshake(url)).toBe(false);
    }
    expect(await retried(eventGrid([STRUCTURED]), FAILURES)).toEqual([
      0, 404, 407, 408, 409, 415, 429, 500, 501, 502, 503, 504,
    ]);
    received.length = 0;
    answering(503);
    const { outcome, waitsMs } = await deliver(url, eventGrid([STRUCTURED, STRUCTURED], { batching: true }));
    expect(outcome).toBe('given_up');
    expect(waitsMs[0]).toBe(30_000);
    expect(waitsMs.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(24 * HOUR_MS);
    expect(received[0]?.headers['content-type']).toBe('application/cloudevents-batch+json; charset=utf-8');
    expect(received.at(-1)?.headers['aeg-delivery-count']).toBe(String(waitsMs.length));
  });

  it('EventBridge retries 401, 407, 409, 429, 5xx and no answer for a day, and waits as long as Retry-After says', async () => {
    const { body, headerParameters } = asStructuredCloudEvent({
      id: '1',
      source: 'aws.s3',
      'detail-type': 'Object Created',
      time: '2026-11-28T12:00:00Z',
      detail: { n: 1 },
    });
    const sender = eventBridge(body, { method: 'PUT', headerParameters });
    expect(await retried(sender, FAILURES)).toEqual([0, 401, 407, 409, 429, 500, 501, 502, 503, 504]);
    expect(received[0]).toMatchObject({
      method: 'PUT',
      headers: { 'content-type': 'application/cloudevents+json; charset=UTF-8', connection: 'close' },
    });
    answers = [{ status: 503, headers: { 'retry-after': '5' } }, { status: 202 }];
    expect((await deliver(url, sender)).waitsMs).toEqual([5_000]);
    answers = [{ status: 503, headers: { 'retry-after': '-1' } }];
    expect(await deliver(url, sender)).toMatchObject({ outcome: 'given_up', statuses: [503] });
    const waitsMs = waitsOf(sender, 503);
    expect(waitsMs).toHaveLength(185);
    expect(waitsMs.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(24 * HOUR_MS);
  });

  it('an answer that does not come in time is none', async () => {
    answering(-1, 202);
    expect((await deliver(url, vanus(EVENT), { timeoutMs: 50 })).statuses).toEqual([null, 202]);
  });
});
