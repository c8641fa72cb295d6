import { suite } from '../vitest.suite.ts';

export default suite(import.meta.dirname, {
  wholeSinks: { filesAtOnce: 1 },
  tiers: {
    files: {
      test: [
        'src/{harness,reference}/*.test.ts',
        'src/mutants/mutation.test.ts',
        'src/torture/plan.test.ts',
        'src/outage/broken-promises.test.ts',
        'src/guides/guides.test.ts',
      ],
      smoke: ['src/smoke/*.test.ts'],
      night: ['src/torture/torture.test.ts'],
    },
    rest: 'proof',
  },
});
