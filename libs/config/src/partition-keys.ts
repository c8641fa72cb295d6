import { PATH_PRESETS, SLOT_INTERVALS } from '@sink/layout';
import { choice, duration, text } from './field.ts';

const YEARS_10_MS = 87_600 * 3_600_000;

/** Which folder an event's object is in: keys of the top level, and of each of `routes`. */
export const partitionKeys = {
  path: text(
    /^[\x20-\x7e]{1,900}$/,
    'vanus',
    `${PATH_PRESETS.join(', ')}, or a template: tenant={ext.tenant|none}/dt={time:%Y-%m-%d}`,
    'What stands between `prefix` and the name of an object: `vanus` (`2026/11/29/07`), `hive` (`year=2026/month=11/day=29/hour=07`), or a template of text, `{time:…}` (`%Y %m %d %H %M %j`), `{type}`, `{source}`, `{subject}`, `{ext.NAME}` and `{data:/POINTER}`. What not every event has needs a default: `{subject|none}`.',
  ),
  time_interval: choice(
    SLOT_INTERVALS,
    'HOURLY',
    'How much time the objects of one folder are of; with a template, `{time:…}` says it.',
  ),
  partition_time: choice(
    ['accepted', 'event'],
    'accepted',
    'Which time is in the path: when the event was accepted, or the event’s own `time` (without one, also when it was accepted).',
  ),
  time_zone: text(
    /^[A-Za-z0-9_+/-]{1,64}$/,
    'UTC',
    'a zone of the IANA database, such as Europe/Berlin',
    'The zone of the times in a path. Both passes of an hour that a clock shows twice share its folder.',
  ),
  late_after: duration(
    1000,
    YEARS_10_MS,
    '24h',
    'With `partition_time: event`, how far an event’s time may be behind: older events go to `late/` below the prefix, and there to the path of the time when they were accepted.',
  ),
  early_after: duration(
    1000,
    YEARS_10_MS,
    '1h',
    'With `partition_time: event`, how far an event’s time may be ahead: what is further goes to `late/` too.',
  ),
};
