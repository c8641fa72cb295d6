const BYTES_OF_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

const MS_OF_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A size as text. The expression has no flags, because the JSON Schema has only the pattern. */
export const BYTES_PATTERN = /^\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?[iI]?[bB]|)\s*$/;

/** A duration as text. */
export const DURATION_PATTERN = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|)\s*$/;

/** `"128MiB"`, `"64 kB"`, `"1048576"` or a number of bytes -> whole bytes; undefined: not a size. */
export function parseBytes(given: unknown): number | undefined {
  return parseQuantity(given, BYTES_PATTERN, BYTES_OF_UNIT, '');
}

/** `"500ms"`, `"4s"`, `"2m"`, `"1h"` or a number of seconds -> whole milliseconds; undefined: not a duration. */
export function parseDurationMs(given: unknown): number | undefined {
  return parseQuantity(given, DURATION_PATTERN, MS_OF_UNIT, 's');
}

function parseQuantity(
  given: unknown,
  pattern: RegExp,
  factors: Readonly<Record<string, number>>,
  unitOfBareNumbers: string,
): number | undefined {
  if (typeof given !== 'number' && typeof given !== 'string') return undefined;
  const match = pattern.exec(String(given));
  const factor = factors[match?.[2]?.toLowerCase() || unitOfBareNumbers];
  if (match === null || factor === undefined) return undefined;
  const quantity = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(quantity) ? quantity : undefined;
}

/** 134217728 -> "128 MiB"; sizes that are not a multiple of a binary unit stay a number of bytes. */
export function formatBytes(bytes: number): string {
  for (const [unit, factor] of [
    ['TiB', 1024 ** 4],
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor} ${unit}`;
  }
  return bytes === 1 ? '1 byte' : `${bytes} bytes`;
}

/** 300000 -> "5 m", 100 -> "100 ms". */
export function formatDuration(durationMs: number): string {
  for (const [unit, factor] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const) {
    if (durationMs >= factor && durationMs % factor === 0) return `${durationMs / factor} ${unit}`;
  }
  return `${durationMs} ms`;
}
