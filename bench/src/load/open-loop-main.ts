/**
 * Sends requests at a constant rate, whether or not earlier ones are answered. Prints `summary ` and the result as
 * JSON. The command line names a file with the plan as JSON: OpenLoopPlan.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { percentiles } from '../report/statistics.ts';
import type { OpenLoopPlan, OpenLoopSummary } from './open-loop.ts';

/** How long the sender waits for answers after the last request was due. */
const ANSWERS_MAX_MS = 20_000;
const END_OF_HEAD = '\r\n\r\n';

const { host, port, ratePerSecond, seconds, connections, requests } = JSON.parse(
  readFileSync(process.argv[2] ?? '', 'utf8'),
) as OpenLoopPlan;
const total = Math.floor(ratePerSecond * seconds);
const raw = requests.map((request) => Buffer.from(request));

/** A latency begins when its request was due, however late it was sent. */
const latenciesMs = new Float64Array(total);
const lagsMs = new Float64Array(total);
const idle: Connection[] = [];
let due = 0;
let sent = 0;
let answered = 0;
let failed = 0;
let startMs = 0;

class Connection {
  readonly #socket: Socket;
  #request = -1;
  #answer = '';

  constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', () => this.#lost());
    socket.on('close', () => this.#lost());
  }

  send(request: number): void {
    this.#request = request;
    lagsMs[request] = performance.now() - dueMs(request);
    this.#socket.write(raw[request % raw.length] ?? '');
  }

  /** Answers have no body, as the 202 of the sink and of the bare server. */
  #receive(text: string): void {
    this.#answer += text;
    if (!this.#answer.endsWith(END_OF_HEAD)) return;
    const ok = this.#answer.startsWith('HTTP/1.1 202 ');
    this.#answer = '';
    settle(this.#request, ok);
    this.#request = -1;
    idle.push(this);
    sendDue();
  }

  #lost(): void {
    if (this.#request !== -1) settle(this.#request, false);
    this.#request = -1;
    const at = idle.indexOf(this);
    if (at !== -1) idle.splice(at, 1);
  }
}

function dueMs(request: number): number {
  return startMs + (request * 1000) / ratePerSecond;
}

function settle(request: number, ok: boolean): void {
  latenciesMs[request] = performance.now() - dueMs(request);
  answered += 1;
  if (!ok) failed += 1;
}

/** Sends what is due on idle connections. The rest waits, and its latency includes the wait. */
function sendDue(): void {
  const now = performance.now();
  while (due < total && dueMs(due) <= now) due += 1;
  while (sent < due) {
    const connection = idle.pop();
    if (connection === undefined) return;
    connection.send(sent++);
  }
}

function opened(): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    socket.once('error', reject);
    socket.once('connect', () => resolve(new Connection(socket)));
  });
}

idle.push(...(await Promise.all(Array.from({ length: connections }, opened))));
const pacer = new Worker(new URL('open-loop-pacer.ts', import.meta.url));
startMs = performance.now() + 100;
await new Promise<void>((resolve) => {
  pacer.on('message', () => {
    sendDue();
    if (answered === total || performance.now() > dueMs(total) + ANSWERS_MAX_MS) resolve();
  });
});
const summary: OpenLoopSummary = {
  acknowledged: answered - failed,
  failed: failed + total - answered,
  seconds: (performance.now() - startMs) / 1000,
  latencyMs: percentiles(latenciesMs.subarray(0, sent)),
  sendLagMs: percentiles(lagsMs.subarray(0, sent)),
};
console.log(`summary ${JSON.stringify(summary)}`);
process.exit();
