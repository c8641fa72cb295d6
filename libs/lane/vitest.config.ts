import { suite } from '../../vitest.suite.ts';

export default suite(import.meta.dirname, { tiers: { files: { proof: ['src/cost.test.ts'] }, rest: 'test' } });
