import type { AppendOutcome } from './appender.ts';

/** Told once how a submission, or its part in one chunk, ended. */
export type Settle = (outcome: AppendOutcome) => void;

/**
 * A settle function for a submission that spans `parts` chunks: it is stored when all its chunks are. Where only some were
 * refused after all, it is in doubt, because the others are stored. The answer is given when the last chunk has settled, so
 * that nothing of the submission is still on its way then.
 */
export function settleTogether(parts: number, settle: Settle): Settle {
  let open = parts;
  let stored = 0;
  let refusal: AppendOutcome | null = null;
  return (outcome) => {
    open -= 1;
    if (outcome === 'stored') stored += 1;
    else if (refusal === null || outcome === 'in_doubt') refusal = outcome;
    if (open > 0) return;
    if (refusal === null) settle('stored');
    else settle(stored > 0 ? 'in_doubt' : refusal);
  };
}
