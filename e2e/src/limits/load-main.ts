import { Agent, request } from 'node:http';
import type { Answer, Load } from './load.ts';

const load = JSON.parse(process.argv[2] ?? '') as Load;
const answers: Answer[] = [];
const connections = load.targets.flatMap(({ url, connections: count }) =>
  Array.from({ length: count }, () => ({ url, agent: new Agent({ keepAlive: true, maxSockets: 1 }) })),
);
let sent = 0;
let running = true;

function post({ url, agent }: { url: string; agent: Agent }): Promise<void> {
  const body = JSON.stringify({
    specversion: '1.0',
    id: `${process.pid}-${(sent += 1)}`,
    source: '/limits',
    type: 't',
    data: { text: 'x'.repeat(200) },
  });
  const headers = {
    'Content-Type': 'application/cloudevents+json',
    'Content-Length': Buffer.byteLength(body),
    Authorization: `Bearer ${load.token}`,
  };
  const [sentMs, fromMs] = [Date.now(), performance.now()];
  return new Promise((resolve) => {
    const done = (status: number): void => {
      answers.push([sentMs, status, performance.now() - fromMs]);
      resolve();
    };
    const outgoing = request(url, { method: 'POST', agent, headers }, (incoming) => {
      incoming.resume();
      incoming.once('end', () => done(incoming.statusCode ?? 0));
    });
    outgoing.once('error', () => done(0));
    outgoing.end(body);
  });
}

async function asFastAsItCan(connection: (typeof connections)[number]): Promise<void> {
  while (running) await post(connection);
}

if (load.perSecond === null) for (const connection of connections) void asFastAsItCan(connection);
else {
  let [number, nextMs] = [0, performance.now()];
  const everyMs = 1_000 / load.perSecond;
  setInterval(() => {
    for (; running && nextMs <= performance.now(); nextMs += everyMs) {
      const connection = connections[number++ % connections.length];
      if (connection) void post(connection);
    }
  }, 1);
}

process.once('message', () => {
  running = false;
  process.send?.(answers);
});
