import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, freePort, startProcess, temporaryDirectory } from '@sink/testing';
import { prometheusPrograms } from './programs.ts';

const RULES = join(import.meta.dirname, '../../../deploy/prometheus/rules.yaml');
/** As short as Prometheus allows in seconds, so that a minute shows as much as an hour does elsewhere. */
const SCRAPE_SECONDS = 1;

/** A line of a query's answer. */
export interface Line {
  readonly labels: Readonly<Record<string, string>>;
  /** Unix time in seconds, and the value. */
  readonly points: readonly (readonly [number, number])[];
}

export interface RuleState {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

/** A real Prometheus with deploy/prometheus/rules.yaml. */
export class PrometheusServer {
  readonly url: string;
  readonly stop: () => Promise<void>;

  private constructor(url: string, stop: () => Promise<void>) {
    this.url = url;
    this.stop = stop;
  }

  /** @param targets addresses (`host:port`) by job */
  static async start(targets: Readonly<Record<string, readonly string[]>>): Promise<PrometheusServer> {
    const { prometheus } = await prometheusPrograms();
    const directory = temporaryDirectory('prometheus');
    const config = join(directory, 'prometheus.json');
    writeFileSync(config, JSON.stringify(configOf(targets)));
    const port = await freePort();
    const args = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const server = await startProcess({ command: prometheus, args });
    const url = `http://127.0.0.1:${port}`;
    await eventually(async () => {
      const answer = await fetch(`${url}/-/ready`).catch((error: unknown) => {
        throw new Error(`Prometheus does not answer:\n${server.output()}`, { cause: error });
      });
      return answer.ok;
    });
    const stop = async (): Promise<void> => {
      await server.kill('SIGTERM');
    };
    return new PrometheusServer(url, stop);
  }

  /** The values of an expression, second by second. Values that are no number are left out, and lines without any. */
  async range(expr: string, fromMs: number, toMs: number): Promise<Line[]> {
    const query = { query: expr, start: String(fromMs / 1000), end: String(toMs / 1000), step: String(SCRAPE_SECONDS) };
    const { result } = (await this.#ask('query_range', query)) as { result: RangeResult[] };
    const lines = result.map(({ metric, values }) => ({
      labels: metric,
      points: values.map(([at, value]) => [at, Number(value)] as const).filter(([, value]) => Number.isFinite(value)),
    }));
    return lines.filter(({ points }) => points.length > 0);
  }

  /** The values of a label in these series. */
  async labelValues(label: string, series: string): Promise<string[]> {
    return (await this.#ask(`label/${label}/values`, { 'match[]': series })) as string[];
  }

  async rules(): Promise<RuleState[]> {
    const { groups } = (await this.#ask('rules', {})) as { groups: { rules: RuleState[] }[] };
    return groups.flatMap(({ rules }) => rules);
  }

  async #ask(path: string, query: Readonly<Record<string, string>>): Promise<unknown> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(query).toString()}`);
    const answer = (await response.json()) as { status: string; data: unknown; error?: string };
    if (answer.status !== 'success') throw new Error(`${query['query'] ?? path}: ${answer.error ?? answer.status}`);
    return answer.data;
  }
}

interface RangeResult {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** JSON is YAML. */
function configOf(targets: Readonly<Record<string, readonly string[]>>): object {
  const interval = `${SCRAPE_SECONDS}s`;
  return {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: [RULES],
    scrape_configs: Object.entries(targets).map(([job, addresses]) => ({
      job_name: job,
      static_configs: [{ targets: addresses, labels: { namespace: 'events' } }],
    })),
  };
}
