/** What an attribute can be. Numbers are the 32-bit integers of CloudEvents. */
export type Attribute = string | number | boolean;

/** The event, as far as a filter looks at it: its context attributes by name, `undefined` for one that it has not. */
export interface EventView {
  get(name: string): Attribute | undefined;
}

/** What a context attribute may be called. `data` is none: filters do not see it. */
export const ATTRIBUTE_NAME = /^(?!data$)[a-z0-9]+$/;

/** Attributes that every event has. */
export const REQUIRED: ReadonlySet<string> = new Set(['specversion', 'id', 'source', 'type']);
