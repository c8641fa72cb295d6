import { withModelRedis, withSharedRedis } from './model-redis.ts';
import { harmsRedis, runSeed, type SeedOptions, type SeedResult } from './world.ts';

/** The number of worlds that share one Redis and one process: while one waits for its answer, others compute. */
const SHARING = 24;
/** A search for one failing world shares less, so that each world is done sooner. */
const SHARING_UNTIL_ONE = 3;

/** Runs the worlds of these seeds. Calls `done` with each result, in any order, until `done` returns false. */
export async function runWorlds(
  seeds: readonly number[],
  options: SeedOptions & { readonly untilOne?: boolean },
  done: (result: SeedResult) => boolean,
): Promise<void> {
  let goesOn = true;
  const ended = Promise.withResolvers<unknown>();
  const report = (result: SeedResult): void => {
    goesOn = done(result) && goesOn;
    // A failing world may take long: at the end of a search, the running worlds are abandoned.
    if (!goesOn) ended.resolve(null);
  };
  const alone = seeds.filter(harmsRedis).values();
  const sharing = seeds.filter((seed) => !harmsRedis(seed)).values();
  await Promise.all([
    withModelRedis(async (redis) => {
      const runAll = async (): Promise<void> => {
        for (const seed of alone) if (goesOn) report(await runSeed(seed, redis, options));
      };
      await Promise.race([runAll(), ended.promise]);
    }),
    withSharedRedis(async (port) => {
      const runNext = async (): Promise<void> => {
        for (const seed of sharing) if (goesOn) report(await runSeed(seed, { port }, options));
      };
      await Promise.race([
        Promise.all(Array.from({ length: options.untilOne === true ? SHARING_UNTIL_ONE : SHARING }, runNext)),
        ended.promise,
      ]);
    }),
  ]);
}
