import { type LineRun, lineRun } from '@sink/domain';
import type { SegmentWriter } from '@sink/spool';
import type { ObjectSize } from './object-size.ts';

const LF = 0x0a;

/** What was written of the lines that were given, and whether the object has its target with it. */
export interface WrittenRun extends LineRun {
  readonly isReached: boolean;
}

/** Writes these lines of the body in pieces, until the object has its target. */
export async function writeToTarget(
  { file, size, targetBytes }: { file: Pick<SegmentWriter, 'write'>; size: ObjectSize; targetBytes: number },
  body: Buffer,
  startByte: number,
  run: LineRun,
): Promise<WrittenRun> {
  let [events, endByte] = [0, startByte];
  while (events < run.events) {
    const line = body.subarray(endByte, body.indexOf(LF, endByte) + 1);
    const bytesMax = await size.room(targetBytes, line);
    if (bytesMax === 0) return { events, endByte, isReached: true };
    const piece =
      run.endByte - endByte <= bytesMax
        ? { events: run.events - events, endByte: run.endByte }
        : lineRun(body, endByte, { eventsMax: run.events - events, bytesMax, oversized: true });
    // The body ends without an LF: its caller sees that nothing more is taken.
    if (piece.events === 0) break;
    await file.write(body.subarray(endByte, piece.endByte));
    events += piece.events;
    endByte = piece.endByte;
  }
  return { events, endByte, isReached: size.hasReached(targetBytes) };
}
