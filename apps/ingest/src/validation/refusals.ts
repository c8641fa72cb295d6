import { type Refusal, unavailable } from '../http/answers.ts';
import type { InvalidEvent } from '@sink/schemas';

/** The answer to a message with invalid events: it names the first of them. @param ofEvents how many it has in all */
export function invalidData(events: readonly InvalidEvent[], ofEvents: number): Refusal {
  const [first, ...others] = events;
  const place = ofEvents > 1 && first !== undefined ? `batch element ${first.index}: ` : '';
  const more = others.length > 0 ? `; and ${others.length} more` : '';
  return { status: 400, reason: 'schema', message: `${place}${first?.message ?? 'its data is invalid'}${more}` };
}

/** The answer while nobody can say whether events conform. */
export function schemasAway(why: string): Refusal {
  return unavailable('schema_away', `the events cannot be validated now: ${why}; nothing of this request was stored`);
}
