import { suite } from '../../vitest.suite.ts';

export default suite(import.meta.dirname, {
  tiers: { files: { proof: ['src/workers/workers.test.ts'] }, rest: 'test' },
});
