import { LIMIT_NAMES, type ProducerWants } from './producer-limits.ts';

/** What a process wants, by producer. */
export type Report = ReadonlyMap<string, ProducerWants>;

const VERSION = 1;

export function formatReport(report: Report): string {
  const rounded = [...report].map(([producer, wants]) => [
    producer,
    Object.fromEntries(Object.entries(wants).map(([limit, wanted]) => [limit, Number(wanted.toPrecision(4))])),
  ]);
  return JSON.stringify({ v: VERSION, wants: Object.fromEntries(rounded) as unknown });
}

/** What is not understood counts as nothing: a newer release may have written it. */
export function parseReport(text: string): Report {
  const report = new Map<string, ProducerWants>();
  for (const [producer, wants] of Object.entries(fields(fields(parsed(text))['wants']))) {
    const given = fields(wants);
    const known = LIMIT_NAMES.flatMap((name) => {
      const wanted = given[name];
      return typeof wanted === 'number' && Number.isFinite(wanted) && wanted > 0 ? [[name, wanted] as const] : [];
    });
    report.set(producer, Object.fromEntries(known));
  }
  return report;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
