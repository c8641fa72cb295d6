export { openSchemas } from './open-schemas.ts';
export type { OpenedSchemas, SchemaSettings } from './open-schemas.ts';
export type { Verdict } from './schemas.ts';
