import { isPathPreset, type Layout, type LayoutSettings, compileLayout, TemplateError } from '@sink/layout';
import { keyBytesMax, PATH_BYTES_MAX, type TimeInterval } from '@sink/domain';
import type { SinkConfig } from './sink-config.ts';

const KEY_BYTES_MAX = 1_024;

type PathSettings = Pick<SinkConfig, 'path' | 'timeInterval' | 'timeZone'>;

/** The folders of objects; with the settings of a route, those of its objects. */
export function layoutOf({ path, timeInterval, timeZone }: PathSettings): Layout {
  return compileLayout({ path, timeInterval, timeZone });
}

/** Whether a path is a slot of time after which nothing more is accepted for it. */
export function endsWithSlot({ path, partitionTime }: Pick<SinkConfig, 'path' | 'partitionTime'>): boolean {
  return isPathPreset(path) && partitionTime === 'accepted';
}

/** Whether the path of an event is the hour or day of `partitionAt` in UTC, as it is by default. */
export function isPlainLayout({ path, timeInterval, timeZone }: PathSettings): boolean {
  return path === 'vanus' && timeZone === 'UTC' && (timeInterval === 'HOURLY' || timeInterval === 'DAILY');
}

/** The interval of what has no path of its own: evidence in quarantine. */
export function plainInterval({ timeInterval }: Pick<SinkConfig, 'timeInterval'>): TimeInterval {
  return timeInterval === 'DAILY' || timeInterval === 'MONTHLY' ? 'DAILY' : 'HOURLY';
}

/** A mistake in the keys of a path; null: there is none. */
export function mistakeInPath(
  settings: LayoutSettings,
  prefix: string,
): { readonly key: 'path' | 'time_zone'; readonly allowed: string } | null {
  try {
    const { pathBytesMax } = compileLayout(settings);
    const keyBytes = keyBytesMax(prefix, pathBytesMax);
    if (pathBytesMax <= PATH_BYTES_MAX && keyBytes <= KEY_BYTES_MAX) return null;
    const allowed = `a path of at most ${PATH_BYTES_MAX} bytes, in keys of at most ${KEY_BYTES_MAX}, whatever its values; this one may have ${pathBytesMax}, and with prefix and name ${keyBytes}`;
    return { key: 'path', allowed };
  } catch (error) {
    if (error instanceof TemplateError) return { key: 'path', allowed: `another template: ${error.message}` };
    if (error instanceof RangeError) {
      return { key: 'time_zone', allowed: 'a zone of the IANA database, such as Europe/Berlin' };
    }
    throw error;
  }
}
