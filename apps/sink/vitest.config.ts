import { suite } from '../../vitest.suite.ts';

export default suite(import.meta.dirname, {
  wholeSinks: { filesAtOnce: 2 },
  tiers: {
    files: {
      proof: [
        'src/bundles.test.ts',
        'src/npm-start.test.ts',
        'src/cli/run-tool.test.ts',
        'src/supervisor/{run-sink,follow-config,two-on-one-volume}.test.ts',
      ],
    },
    rest: 'test',
  },
});
