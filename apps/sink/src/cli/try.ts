import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { readObjectLines } from '@sink/audit';
import { addressOf, portAddress, type SinkConfig } from '@sink/config';
import { DEFAULT_ROUTE } from '@sink/domain';
import { createObjectReader, ObjectStoreError } from '@sink/objects';
import { EXIT_FAILED, EXIT_OK } from '@sink/runtime';
import { post } from './post-event.ts';
import { type TryCredentials, tryCredentials } from './try-credentials.ts';

export interface TryCommand {
  /** Where events are posted; null: on this machine, at the port of the configuration. */
  readonly post: string | null;
  /** The operations port of an uploader; null: on this machine. */
  readonly uploader: string | null;
  readonly timeoutMs: number;
  /** `Name: value`; empty: the secret of a producer, if the configuration has one. */
  readonly headers: readonly string[];
}

const POLL_MS = 500;
const ANSWER_MS = 10_000;
/** The clocks of two machines may differ by so much. */
const SKEW_MS = 5_000;

/** A producer has to be known: to post again would not help. */
class NotLetIn extends Error {
  override readonly name = 'NotLetIn';
}

/** What `GET /receipts` of the uploader says, as far as it is read here. */
interface Receipt {
  readonly lane: number;
  readonly entry: string;
  readonly key: string;
  readonly events: number;
  readonly acceptedAt: string;
  readonly sealedAt: string;
  /** Absent: the default route, which the event takes. */
  readonly route?: string;
}

/** The outcome of a look for the event. */
type Found = { readonly key: string; readonly events: number; readonly how: 'read' | 'not readable' };

/**
 * Posts one event to a sink that runs, waits for the receipt of its object, and finds the event in the object where the
 * credentials may read it. Resolves to the exit code: 0 when it is stored.
 */
export async function runTry(config: SinkConfig, asked: TryCommand, write: (text: string) => void): Promise<number> {
  const address = asked.post ?? portAddress(config);
  const uploader = new URL('/receipts', asked.uploader ?? addressOf(config.opsHost, config.uploaderOpsPort)).href;
  const signal = AbortSignal.timeout(asked.timeoutMs);
  const reader = createObjectReader(config.bucket);
  let doing = 'asking the uploader for its receipts';
  let problem = '';
  const retried = async <T>(work: () => Promise<T | null>): Promise<T> => {
    for (;;) {
      try {
        const result = await work();
        if (result !== null) return result;
      } catch (error) {
        if (signal.aborted || error instanceof NotLetIn) throw error;
        problem = reasonOf(error);
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  };
  try {
    const before = await retried(() => receiptsAt(uploader, signal));
    const known = new Set(before.map(nameOf));
    const id = randomUUID();
    doing = `posting an event to ${address}`;
    const startMs = Date.now();
    const credentials = tryCredentials(address, asked.headers, config.producers);
    if (credentials.producer !== null) write(`posting as the producer ${credentials.producer}\n`);
    await retried(() => postEvent(credentials, id, config.tlsCertFile, signal));
    const answeredMs = Date.now();
    write(`202: the event with the id ${id} is accepted after ${answeredMs - startMs} ms\n`);

    doing = 'waiting for the receipt of its object';
    problem = '';
    const found = await retried(async (): Promise<Found | null> => {
      for (const receipt of await receiptsAt(uploader, signal)) {
        if (known.has(nameOf(receipt)) || (receipt.route ?? DEFAULT_ROUTE) !== DEFAULT_ROUTE) continue;
        const looked = await look(receipt, id, [startMs, answeredMs]);
        if (looked !== null) return looked;
        known.add(nameOf(receipt));
      }
      return null;
    });
    write(storedText(found, Date.now() - answeredMs));
    return EXIT_OK;
  } catch (error) {
    const reason = signal.aborted ? `not within ${asked.timeoutMs / 1_000} s` : reasonOf(error);
    write(`FAILED: ${doing}: ${reason}${problem === '' ? '' : ` (${problem})`}\n`);
    return EXIT_FAILED;
  } finally {
    reader.close();
  }

  async function look(receipt: Receipt, id: string, postedMs: readonly [number, number]): Promise<Found | null> {
    const { key, events } = receipt;
    try {
      let lines = 0;
      const facts = await readObjectLines(reader, key, (line) => void (lines += line.includes(id) ? 1 : 0), signal);
      if (typeof facts === 'string') throw new Error(`the object ${key}: ${facts}`);
      return lines > 0 ? { key, events, how: 'read' } : null;
    } catch (error) {
      const mayNotRead = error instanceof ObjectStoreError && error.kind === 'operator';
      const isElsewhere = config.bucket.kind === 'file';
      if (!mayNotRead && !isElsewhere) throw error;
      return isOfThisTime(receipt, postedMs) ? { key, events, how: 'not readable' } : null;
    }
  }
}

async function receiptsAt(address: string, signal: AbortSignal): Promise<readonly Receipt[]> {
  const answer = await fetch(address, { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) });
  if (answer.status !== 200) throw new Error(`${address} answers ${answer.status}`);
  const { receipts } = (await answer.json()) as { receipts?: readonly Receipt[] };
  if (receipts === undefined) throw new Error(`${address} is not an uploader's`);
  return receipts;
}

/** Null: not accepted yet. An event that was stored without an answer is stored again, and that is no harm here. */
async function postEvent(
  { address, headers }: TryCredentials,
  id: string,
  certFile: string | null,
  signal: AbortSignal,
): Promise<true> {
  const event = { specversion: '1.0', id, source: '/sink-aws-s3/try', type: 'sink-aws-s3.try' };
  const { status, said } = await post(address, {
    headers: { 'Content-Type': 'application/cloudevents+json', ...headers },
    body: JSON.stringify(event),
    certFile,
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
  });
  if (status === 202) return true;
  if (status === 401 || status === 403) {
    throw new NotLetIn(`${status} ${said.trim()}; give credentials with --header`);
  }
  throw new Error(`${status} ${said.trim()}`);
}

/** Whether the object may hold an event that was accepted between these times. */
function isOfThisTime({ acceptedAt, sealedAt }: Receipt, [startMs, answeredMs]: readonly [number, number]): boolean {
  return Date.parse(acceptedAt) <= answeredMs + SKEW_MS && Date.parse(sealedAt) >= startMs - SKEW_MS;
}

function nameOf({ lane, entry }: Receipt): string {
  return `${lane} ${entry}`;
}

function storedText({ key, events, how }: Found, ms: number): string {
  const after = `${(ms / 1_000).toFixed(1)} s later`;
  return how === 'read'
    ? `OK: ${after} it is in the object ${key} (${events} ${events === 1 ? 'event' : 'events'}), which was read\n`
    : `OK: ${after} an object of that moment is stored, ${key} (${events} ${events === 1 ? 'event' : 'events'}); it cannot be read from here\n`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
