/** The words of JSON Schema that the schemas of the configuration have inside; rules about several values are not judged. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
}

/** The paths of the values that the schema refuses. */
export function refusedIn(schema: JsonSchema, value: unknown, path = ''): string[] {
  if (schema.anyOf !== undefined && !schema.anyOf.some((one) => refusedIn(one, value).length === 0)) return [path];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [path];
  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOf(type, value))) return [path];
  if (typeof value === 'string') {
    return schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value) ? [] : [path];
  }
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => refusedIn(schema.items ?? {}, item, `${path}/${index}`));
  }
  if (typeof value !== 'object' || value === null) return [];
  const missing = (schema.required ?? []).filter((key) => !Object.hasOwn(value, key));
  const inside = Object.entries(value).flatMap(([key, inner]) => {
    const known = schema.properties?.[key];
    if (known !== undefined) return refusedIn(known, inner, `${path}/${key}`);
    return schema.additionalProperties === false ? [`${path}/${key}`] : [];
  });
  return [...missing.map((key) => `${path}/${key}`), ...inside];
}

function isOf(type: string, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}
