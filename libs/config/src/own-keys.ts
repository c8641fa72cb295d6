import { z } from 'zod';
import type { Field } from './field.ts';
import type { Shape } from './nested.ts';

/** The schema of a value without its default: absent means that the value of the top level counts. */
type Own<Schema extends z.ZodType> =
  Schema extends z.ZodPrefault<infer Inner extends z.ZodType>
    ? z.ZodOptional<Inner>
    : Schema extends z.ZodOptional
      ? Schema
      : z.ZodOptional<Schema>;

export type OwnKeys<S extends Shape> = { readonly [Key in keyof S]: Field<Own<S[Key]['schema']>, S[Key]['unit']> };

/** Keys of the top level as keys of a route: without their defaults. */
export function ownKeys<const S extends Shape>(shape: S): OwnKeys<S> {
  const entries = Object.entries(shape).map(([key, field]) => {
    const { schema } = field;
    const inner = schema instanceof z.ZodPrefault ? (schema.unwrap() as z.ZodType) : schema;
    const own = inner instanceof z.ZodOptional ? inner : inner.optional();
    const description = `\`${key}\` of this route. Default: that of the top level.`;
    return [key, { ...field, schema: own.meta({ description }), description }] as const;
  });
  // The cast states what the expression does.
  return Object.fromEntries(entries) as unknown as OwnKeys<S>;
}
