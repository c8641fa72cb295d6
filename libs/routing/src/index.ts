export { openRouter } from './open-router.ts';
export type { Routing } from './router.ts';
export { ASIDE } from './way.ts';
export type { Aside } from './way.ts';
