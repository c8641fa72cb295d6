import { parseArgs } from 'node:util';
import { withModelRedis } from './model-redis.ts';
import { runSeed } from './world.ts';

/** `npm run model -- --seeds N [--from SEED] [--first] [--trace]`: exits with 1 when a seed breaks a promise. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    first: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});
const from = Number(values.from);
const failing: number[] = [];
const violations = new Map<string, number>();
let events = 0;
let objects = 0;
const startedAt = performance.now();
await withModelRedis(async (redis) => {
  for (let seed = from; seed < from + Number(values.seeds); seed++) {
    const result = await runSeed(seed, redis, values.trace ? { trace: (line) => console.log(line) } : {});
    events += result.events;
    objects += result.objects;
    if (result.violations.length === 0) continue;
    failing.push(seed);
    for (const violation of result.violations) violations.set(violation, (violations.get(violation) ?? 0) + 1);
    if (values.first) break;
  }
});
const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
console.log(JSON.stringify({ failing, violations: Object.fromEntries(violations), events, objects, seconds }));
process.exitCode = failing.length > 0 ? 1 : 0;
