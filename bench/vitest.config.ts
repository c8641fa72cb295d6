import { suite } from '../vitest.suite.ts';

export default suite(import.meta.dirname, {
  wholeSinks: { filesAtOnce: 1 },
  tiers: { files: { proof: ['src/drain/drain-run.test.ts', 'src/throughput/throughput.test.ts'] }, rest: 'test' },
});
