import { suite } from '../../vitest.suite.ts';

export default suite(import.meta.dirname, { tiers: { files: { proof: ['src/upload/faults.test.ts'] }, rest: 'test' } });
