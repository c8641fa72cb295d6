export { compileLayout, isPathPreset, PATH_PRESETS } from './layout.ts';
export type { Layout, LayoutSettings } from './layout.ts';
export { pointerNames, textAt } from './pointer.ts';
export { TemplateError } from './template.ts';
export { SLOT_INTERVALS } from './time-slots.ts';
