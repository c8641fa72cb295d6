import { drain } from './drain/drain.ts';
import { filters } from './filters/filters.ts';
import { growth } from './growth/growth.ts';
import { latency } from './latency/latency.ts';
import { TRAFFIC_NAMES } from './load/traffic.ts';
import { memory } from './memory/memory.ts';
import type { Scenario } from './scenario.ts';
import { paths } from './paths/paths.ts';
import { producers } from './producers/producers.ts';
import { start } from './start/start.ts';
import { tls } from './tls/tls.ts';
import { tracing } from './tracing/tracing.ts';
import { validation } from './validation/validation.ts';
import { throughput } from './throughput/throughput.ts';

/** All scenarios by name, in their order of execution. */
export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map([
  ...TRAFFIC_NAMES.map((name): [string, Scenario] => [name, (context) => throughput(name, context)]),
  ['latency', latency],
  ['drain', drain],
  ['memory', memory],
  ['growth', growth],
  ['start', start],
  ['tracing', tracing],
  ['validation', validation],
  ['producers', producers],
  ['tls', tls],
  ['filters', filters],
  ['paths', paths],
]);
