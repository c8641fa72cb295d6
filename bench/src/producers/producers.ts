import type { CredentialSettings, JwtSettings, ProducerSettings } from '@sink/config';
import { startTokenIssuer } from '@sink/testing';
import { type Sent, traffic } from '../load/traffic.ts';
import type { Figure, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';
import { JointIngests } from '../sink/joint-ingests.ts';

const KINDS = ['open', 'bearer', 'jwt'] as const;
type Kind = (typeof KINDS)[number];

/** Events per CPU second of one run of each, one directly after the other. */
type Turn = Readonly<Record<Kind, number>>;

interface ProducersReport extends ScenarioReport {
  readonly turns: readonly Turn[];
}

/** Events per CPU second with a token in each request, relative to a sink that is open. */
const GOAL = { atLeast: 0.9 };
/** Runs are short and change by turns, so that other work on the machine affects all alike. */
const TURN_SECONDS = 2;
const TITLES = { bearer: 'the token as a shared secret', jwt: 'the token as a JSON Web Token' };

/**
 * What it costs ingest to know who sends, with one event a request: a token that is compared, and one that is verified once
 * and then remembered. All requests have the same token, those to the open ingest too. The ingests are in one process.
 */
export async function producers(context: BenchContext): Promise<ProducersReport> {
  const issuer = await startTokenIssuer();
  const rsa = await issuer.rotate('RS256');
  const audience = 'sink-aws-s3';
  const token = await issuer.sign({ aud: audience, sub: 'system:serviceaccount:shop:checkout' }, {}, rsa);
  const jwt: JwtSettings = {
    kind: 'jwt',
    issuer: issuer.url,
    audiences: [audience],
    jwksUrl: null,
    jwksCaFile: null,
    jwksTokenFile: null,
    algorithms: ['RS256'],
    subjects: ['system:serviceaccount:shop:checkout'],
    claims: {},
  };
  const ingests = await JointIngests.start<Kind>({
    open: {},
    bearer: { producers: [producer({ kind: 'bearer', header: null, tokens: { values: [token] } })] },
    jwt: { producers: [producer(jwt)] },
  });
  try {
    const turns = await turnsOf(ingests, withToken(traffic('binary'), token), context);
    return {
      name: 'producers',
      title: 'producers',
      tables: [{ title: 'producers', figures: figuresOf(turns) }],
      turns,
    };
  } catch (cause) {
    throw new Error(`measuring producers: ${String(cause)}\n${ingests.logs()}`, { cause });
  } finally {
    await ingests.stop();
    await issuer.close();
  }
}

function producer(credential: CredentialSettings): ProducerSettings {
  const limits = { eventsPerSecond: null, bytesPerSecond: null, requestsInFlight: null };
  return { name: 'bench', credential, limits, only: { types: null, sources: null } };
}

function withToken({ eventsPerMessage, messages }: Sent, token: string): Sent {
  const authorization = `Bearer ${token}`;
  return {
    eventsPerMessage,
    messages: messages.map(({ headers, body }) => ({ headers: { ...headers, authorization }, body })),
  };
}

async function turnsOf(
  ingests: JointIngests<Kind>,
  sent: Sent,
  { load, settings, say }: BenchContext,
): Promise<readonly Turn[]> {
  const { connections } = settings;
  const measure = (kind: Kind, seconds: number): Promise<number> =>
    ingests.measure(kind, load, sent, { connections, seconds });
  say('producers: warm-up');
  for (const kind of KINDS) await measure(kind, settings.warmUpSeconds);
  const turns: Turn[] = [];
  const count = Math.ceil((settings.runs * settings.seconds) / TURN_SECONDS);
  while (turns.length < count) {
    const turn = { open: 0, bearer: 0, jwt: 0 };
    const first = turns.length % KINDS.length;
    for (const kind of [...KINDS.slice(first), ...KINDS.slice(0, first)])
      turn[kind] = await measure(kind, TURN_SECONDS);
    turns.push(turn);
    const shares = (['bearer', 'jwt'] as const).map((kind) => `${kind} ${(turn[kind] / turn.open).toFixed(3)}`);
    say(`  turn ${turns.length} of ${count}, events per CPU second relative to open: ${shares.join(', ')}`);
  }
  return turns;
}

function figuresOf(turns: readonly Turn[]): Figure[] {
  const column = traffic('binary').title;
  return [
    { row: 'open: ingest, events per CPU second', value: median(turns.map(({ open }) => open)), column },
    ...(['bearer', 'jwt'] as const).map((kind) => ({
      row: `${TITLES[kind]}: events per CPU second, relative to open`,
      value: median(turns.map((turn) => turn[kind] / turn.open)),
      goal: GOAL,
      column,
    })),
  ];
}
