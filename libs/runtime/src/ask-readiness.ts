import { get } from 'node:http';

const TEXT_LENGTH_MAX = 2_000;

export interface ReadinessAnswer {
  /** The service answers with a 2xx status and names no problem. */
  readonly ready: boolean;
  /**
   * By name, as the service reports them. The name is empty where the service gives no usable answer. Empty when ready.
   */
  readonly problems: Readonly<Record<string, string>>;
  /** For logs: the body of the answer, at most 2,000 characters, or the reason why there is no answer. */
  readonly text: string;
}

/** Of `node:http`, or of `node:https`. */
type Get = typeof get;

/**
 * Asks a service once whether it is ready. `url` is that of its `/readyz`. Never rejects. Not with `fetch`, which takes 11 MB
 * more of each process that asks. The certificate of an https:// address is not looked at: a service is asked on its own
 * machine, where its certificate is for another name, and nothing is confided to it.
 */
export async function askReadiness(url: string, timeoutMs: number): Promise<ReadinessAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const { status, body } = await answerOf(url, signal);
    const isOk = status >= 200 && status < 300;
    const problems = problemsIn(body) ?? { '': `not ready: status ${status}, without JSON` };
    const unnamed = Object.keys(problems).length === 0 && !isOk;
    return {
      ready: isOk && Object.keys(problems).length === 0,
      problems: unnamed ? { '': `not ready: status ${status}` } : problems,
      text: body.trim().slice(0, TEXT_LENGTH_MAX),
    };
  } catch (error) {
    if (signal.aborted) {
      const late = `no answer within ${timeoutMs} ms`;
      return { ready: false, problems: { '': late }, text: late };
    }
    const reason = error instanceof Error ? error.message : String(error);
    return { ready: false, problems: { '': 'cannot be reached' }, text: `cannot be reached: ${reason}` };
  }
}

async function answerOf(url: string, signal: AbortSignal): Promise<{ readonly status: number; readonly body: string }> {
  const isTls = url.startsWith('https:');
  const getIt: Get = isTls ? (await import('node:https')).get : get;
  const options = { agent: false, signal, ...(isTls ? { rejectUnauthorized: false } : {}) };
  return new Promise((resolve, reject) => {
    getIt(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    }).on('error', reject);
  });
}

/** Null when the body is no JSON object. */
function problemsIn(body: string): Record<string, string> | null {
  try {
    const answer: unknown = JSON.parse(body);
    if (typeof answer !== 'object' || answer === null) return null;
    if (!('problems' in answer) || typeof answer.problems !== 'object' || answer.problems === null) return {};
    return Object.fromEntries(Object.entries(answer.problems).map(([name, problem]) => [name, String(problem)]));
  } catch {
    return null;
  }
}
