export { checkFilter, compileFilter, FilterSpecError } from './filter.ts';
export type { Filter, FilterErrorKind, FilterProblem } from './filter.ts';
