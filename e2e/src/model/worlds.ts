import { withModelRedis, withSharedRedis } from './model-redis.ts';
import { harmsRedis, runSeed, type SeedOptions, type SeedResult } from './world.ts';

/** Worlds that take turns on one Redis and one process: while one waits for its answer, others compute. */
const SHARING = 24;
/** Who wants one that fails wants it soon, and not the work of all at a fraction of the speed. */
const SHARING_UNTIL_ONE = 3;

/** Runs the worlds of these seeds; `done` is told of each, in any order, and says whether to go on with others. */
export async function runWorlds(
  seeds: readonly number[],
  options: SeedOptions & { readonly untilOne?: boolean },
  done: (result: SeedResult) => boolean,
): Promise<void> {
  let goesOn = true;
  const ended = Promise.withResolvers<unknown>();
  const tell = (result: SeedResult): void => {
    goesOn = done(result) && goesOn;
    // A world that ends badly may take long; who wants no more does not wait for those that are under way.
    if (!goesOn) ended.resolve(null);
  };
  const alone = seeds.filter(harmsRedis).values();
  const sharing = seeds.filter((seed) => !harmsRedis(seed)).values();
  await Promise.all([
    withModelRedis(async (redis) => {
      const runAll = async (): Promise<void> => {
        for (const seed of alone) if (goesOn) tell(await runSeed(seed, redis, options));
      };
      await Promise.race([runAll(), ended.promise]);
    }),
    withSharedRedis(async (port) => {
      const runNext = async (): Promise<void> => {
        for (const seed of sharing) if (goesOn) tell(await runSeed(seed, { port }, options));
      };
      await Promise.race([
        Promise.all(Array.from({ length: options.untilOne === true ? SHARING_UNTIL_ONE : SHARING }, runNext)),
        ended.promise,
      ]);
    }),
  ]);
}
