export type { InvalidEvent, Judged, ValidationResult } from './judged.ts';
export { openValidator } from './open-validator.ts';
export { Validator } from './validator.ts';
export type { ValidatorSettings } from './validator.ts';
export type { Verdict } from './schemas.ts';
export type { OpenedValidator } from './open-validator.ts';
export { openSchemas } from './open-schemas.ts';
