export type { LookedAt } from './places.ts';
export { readObjectLines } from './read-objects.ts';
export { reportJson, reportText } from './report.ts';
export type { TimeRange } from './time-range.ts';
export { verify } from './verify.ts';
