/**
 * Proves a running composition: posts events in all three content modes through the load balancer, kills one ingest
 * while it does, and compares every answer with the objects in the bucket.
 *
 *   docker compose up --build --detach --scale ingest=3
 *   node deploy/prove-compose.mjs [--seconds 20] [--concurrency 48] [--signal KILL] [--url http://localhost:8080]
 *
 * A producer sends a request again until it gets a 2xx. Every attempt carries its number, which tells it from the others:
 * an accepted one must be in exactly one object, once; a failed one may be in the bucket, at most once.
 */
/* global AbortSignal, fetch, performance */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    concurrency: { type: 'string', default: '48' },
    url: { type: 'string', default: 'http://localhost:8080' },
    endpoint: { type: 'string', default: 'http://localhost:8333' },
    bucket: { type: 'string', default: 'events' },
    signal: { type: 'string', default: 'KILL' },
    label: { type: 'string', default: 'com.docker.compose.service=ingest' },
  },
});
const ATTEMPTS_MAX = 100;
const BATCH_EVENTS = 20;
const WAIT_FOR_OBJECTS_MS = 120_000;
const run = `run-${Date.now()}`;
const accepted = new Set();
const failed = new Map();
const answers = new Map();
const latenciesMs = [];

const s3 = new S3Client({
  endpoint: values.endpoint,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: {
    accessKeyId: process.env.SINK_AWS_ACCESS_KEY_ID ?? 'compose',
    secretAccessKey: process.env.SINK_AWS_SECRET_ACCESS_KEY ?? 'compose-secret',
  },
});

function event(id, attempt) {
  return {
    specversion: '1.0',
    id,
    source: `/prove/${run}`,
    type: 'prove',
    attempt: String(attempt),
    data: { text: 'x'.repeat(100), number: 1.1 },
  };
}

/** One request of each mode, as fetch takes it. */
const modes = [
  (ids, attempt) => {
    const { data, ...attributes } = event(ids[0], attempt);
    const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
    return { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(data) };
  },
  (ids, attempt) => ({
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event(ids[0], attempt)),
  }),
  (ids, attempt) => ({
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(ids.map((id) => event(id, attempt))),
  }),
];

async function send(mode, ids) {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const startedMs = performance.now();
    let answer;
    try {
      const response = await fetch(values.url, {
        method: 'POST',
        ...modes[mode](ids, attempt),
        signal: AbortSignal.timeout(5000),
      });
      await response.arrayBuffer();
      answer = response.status;
    } catch (error) {
      answer = error.cause?.code ?? error.name;
    }
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
    const keys = ids.map((id) => `${id} ${attempt}`);
    if (answer === 202) {
      latenciesMs.push(performance.now() - startedMs);
      for (const key of keys) accepted.add(key);
      return;
    }
    for (const key of keys) failed.set(key, answer);
    await sleep(100);
  }
  throw new Error(`no 202 after ${ATTEMPTS_MAX} attempts`);
}

async function produce(worker, endMs) {
  for (let number = 0; Date.now() < endMs; number++) {
    const mode = number % modes.length;
    const count = mode === 2 ? BATCH_EVENTS : 1;
    await send(
      mode,
      Array.from({ length: count }, (_, index) => `${worker}-${number}-${index}`),
    );
  }
}

/** How often each request of this run is in the bucket, and in how many objects. */
async function readBucket() {
  const found = new Map();
  let objects = 0;
  let token;
  do {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: values.bucket, ContinuationToken: token }));
    for (const { Key } of page.Contents ?? []) {
      const object = await s3.send(new GetObjectCommand({ Bucket: values.bucket, Key }));
      const lines = (await object.Body.transformToString()).split('\n').filter((line) => line.includes(run));
      if (lines.length > 0) objects++;
      for (const line of lines) {
        const { id, attempt } = JSON.parse(line);
        const key = `${id} ${attempt}`;
        found.set(key, (found.get(key) ?? 0) + 1);
      }
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return { found, objects };
}

// Not the synchronous call: the producers must continue while a container is killed.
const docker = async (...args) => (await promisify(execFile)('docker', args)).stdout.trim();
const containers = (await docker('ps', '-q', '--filter', `label=${values.label}`)).split('\n').filter(Boolean);
console.log(`${containers.length} ingest containers`);

const seconds = Number(values.seconds);
const endMs = Date.now() + seconds * 1000;
const producers = Array.from({ length: Number(values.concurrency) }, (_, worker) => produce(worker, endMs));
await sleep((seconds * 1000) / 2);
if (containers.length > 1) {
  console.log(`after ${accepted.size} accepted events: docker kill --signal ${values.signal} ${containers[0]}`);
  await docker('kill', '--signal', values.signal, containers[0]);
}
await Promise.all(producers);

latenciesMs.sort((a, b) => a - b);
const percentile = (share) => latenciesMs[Math.floor(latenciesMs.length * share)]?.toFixed(1);
console.log(`answers: ${JSON.stringify(Object.fromEntries(answers))}`);
console.log(
  `accepted: ${accepted.size} events in ${latenciesMs.length} requests, ${Math.round(accepted.size / seconds)} events/s`,
);
console.log(`latency of a 202 in ms: p50 ${percentile(0.5)}, p99 ${percentile(0.99)}, max ${percentile(0.99999)}`);

const waitUntilMs = Date.now() + WAIT_FOR_OBJECTS_MS;
let bucket;
do {
  await sleep(3000);
  bucket = await readBucket();
  console.log(`in the bucket: ${bucket.found.size} events in ${bucket.objects} objects`);
} while ([...accepted].some((key) => !bucket.found.has(key)) && Date.now() < waitUntilMs);

const missing = [...accepted].filter((key) => !bucket.found.has(key));
const doubled = [...bucket.found].filter(([, count]) => count > 1);
const foreign = [...bucket.found.keys()].filter((key) => !accepted.has(key) && !failed.has(key));
const stored = [...failed.keys()].filter((key) => bucket.found.has(key));
console.log(`accepted and missing: ${missing.length}; doubled: ${doubled.length}; never sent: ${foreign.length}`);
console.log(`requests that failed: ${failed.size} events, of which ${stored.length} were stored all the same`);
if (missing.length + doubled.length + foreign.length > 0) process.exitCode = 1;
console.log(process.exitCode === 1 ? 'FAILED' : 'every accepted event is in exactly one object');
