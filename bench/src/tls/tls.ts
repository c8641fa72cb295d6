import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificate, makeCertificate, temporaryDirectory } from '@sink/testing';
import { AutocannonLoad } from '../load/autocannon.ts';
import { type Sent, traffic } from '../load/traffic.ts';
import type { Figure, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';
import { JointIngests } from '../sink/joint-ingests.ts';
import { startBareServer } from '../sink/processes.ts';
import { usageOf } from '../sink/usage.ts';

const KINDS = ['plain', 'tls', 'mtls', 'barePlain', 'bareTls'] as const;
type Kind = (typeof KINDS)[number];

/** Events per CPU second of one run of each, one directly after the other. */
type Turn = Record<Kind, number>;

interface TlsReport extends ScenarioReport {
  readonly turns: Readonly<Record<string, readonly Turn[]>>;
}

/** Events per CPU second of clients that are known by their certificates, relative to TLS alone, on kept connections. */
const GOAL = { atLeast: 0.9 };
const KEPT = 'one event a request, kept connections';
/** Runs are short and change by turns, so that other work on the machine affects all alike. */
const TURN_SECONDS = 2;

/**
 * What TLS on the port costs, with one event a request: on connections that are kept, and with a connection for each event,
 * whose handshake is a whole one. The reference is a bare server of node:https beside one of node:http. The load is always
 * autocannon, because wrk shows no certificate.
 */
export async function tls(context: BenchContext): Promise<TlsReport> {
  const [own, authority] = [certificate(), certificate()];
  const client = certificate(authority);
  const directory = temporaryDirectory('bench-tls');
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const files = { tlsCertFile: file('tls.crt', own.cert), tlsKeyFile: file('tls.key', own.key) };
  const tlsClientCaFile = file('ca.crt', authority.cert);
  const limits = { eventsPerSecond: null, bytesPerSecond: null, requestsInFlight: null };
  const credential = { kind: 'mtls', subjects: ['CN=bench'], san: [] } as const;
  const ingests = await JointIngests.start<'plain' | 'tls' | 'mtls'>({
    plain: {},
    tls: { tls: { ...files, tlsClientCaFile: null } },
    mtls: {
      tls: { ...files, tlsClientCaFile },
      producers: [{ name: 'bench', credential, limits, only: { types: null, sources: null } }],
    },
  });
  const [bare, bareTls] = [await startBareServer(), await startBareServer(files.tlsCertFile, files.tlsKeyFile)];
  const load = new AutocannonLoad(client);
  const { settings, say } = context;
  const measure = async (kind: Kind, sent: Sent, seconds: number): Promise<number> => {
    const options = { connections: settings.connections, seconds };
    if (kind !== 'barePlain' && kind !== 'bareTls') return ingests.measure(kind, load, sent, options);
    const { url, process } = kind === 'barePlain' ? bare : bareTls;
    const before = usageOf(process.pid).cpuSeconds;
    const { acknowledged } = await load.run({ url, messages: sent.messages, ...options });
    return acknowledged / (usageOf(process.pid).cpuSeconds - before);
  };
  const turns: Record<string, Turn[]> = {};
  const figures: Figure[] = [];
  try {
    const kept = traffic('binary');
    for (const [title, sent] of [
      [KEPT, kept],
      ['a connection for each event', closing(kept)],
    ] as const) {
      say(`tls, ${title}: warm-up`);
      for (const kind of KINDS) await measure(kind, sent, Math.min(settings.warmUpSeconds, TURN_SECONDS));
      const all: Turn[] = [];
      const count = Math.ceil((settings.runs * settings.seconds) / TURN_SECONDS / 2);
      while (all.length < count) {
        const turn: Turn = { plain: 0, tls: 0, mtls: 0, barePlain: 0, bareTls: 0 };
        const first = all.length % KINDS.length;
        for (const kind of [...KINDS.slice(first), ...KINDS.slice(0, first)]) {
          turn[kind] = await measure(kind, sent, TURN_SECONDS);
        }
        all.push(turn);
        const [ofPlain, ofTls] = [turn.tls / turn.plain, turn.mtls / turn.tls].map((share) => share.toFixed(3));
        say(`  turn ${all.length} of ${count}: TLS ${ofPlain} of plain, mTLS ${ofTls} of TLS`);
      }
      turns[title] = all;
      figures.push(...figuresOf(title, all));
    }
  } catch (cause) {
    throw new Error(`measuring TLS: ${String(cause)}\n${ingests.logs()}`, { cause });
  } finally {
    await Promise.all([ingests.stop(), bare.process.kill('SIGTERM'), bareTls.process.kill('SIGTERM')]);
  }
  return { name: 'tls', title: 'TLS', tables: [{ title: 'TLS', figures }], turns };
}

function figuresOf(column: string, turns: readonly Turn[]): Figure[] {
  // A new connection has one more signature and chain to verify.
  const goal = column === KEPT ? { goal: GOAL } : {};
  const share = (kind: Kind, of: Kind): number => median(turns.map((turn) => turn[kind] / turn[of]));
  return [
    { row: 'plain: ingest, events per CPU second', value: median(turns.map(({ plain }) => plain)) },
    { row: 'TLS, relative to plain', value: share('tls', 'plain') },
    { row: 'TLS with certificates of clients, relative to TLS', value: share('mtls', 'tls'), ...goal },
    { row: 'bare node:https, relative to bare node:http', value: share('bareTls', 'barePlain') },
  ].map((figure) => ({ ...figure, column }));
}

function closing({ messages, eventsPerMessage }: Sent): Sent {
  return {
    eventsPerMessage,
    messages: messages.map(({ headers, body }) => ({ headers: { ...headers, connection: 'close' }, body })),
  };
}

function certificate(issuer?: Certificate): Certificate {
  const options = issuer === undefined ? {} : { issuer, subject: '/CN=bench' };
  const made = makeCertificate(['IP:127.0.0.1'], options);
  if (made === null) throw new Error('measuring TLS: there is no openssl');
  return made;
}
