/** A regular expression of a schema for JavaScript's own engine: as the standard wants it, or as older ones are written. */
export function nativeRegExp(source: string): RegExp {
  try {
    return new RegExp(source, 'u');
  } catch {
    return new RegExp(source);
  }
}
