export { checkFilter, compileFilter } from './filter.ts';
export type { Filter } from './filter.ts';
