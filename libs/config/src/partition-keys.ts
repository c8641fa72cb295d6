import { choice } from './field.ts';

/** Which folder an event's object is in: keys of the top level, and of each of `routes`. */
export const partitionKeys = {
  time_interval: choice(
    ['HOURLY', 'DAILY'],
    'HOURLY',
    'Whether objects are stored in one folder per hour or one per day (UTC).',
  ),
};
