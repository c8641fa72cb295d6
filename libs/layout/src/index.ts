export type { PathValue } from './encode-value.ts';
export { compileLayout, isPathPreset, LATE_FOLDER, OTHER_FOLDER, PATH_PRESETS } from './layout.ts';
export type { Layout, LayoutSettings, ParsedPath, PathPreset } from './layout.ts';
export { pointerNames, textAt } from './pointer.ts';
export { TemplateError, variableOf } from './template.ts';
export type { Variable } from './template.ts';
export { SLOT_INTERVALS } from './time-slots.ts';
export type { SlotInterval } from './time-slots.ts';
