import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admission } from './admission.ts';
import { bodyTooLarge, unknownEncoding, unknownTransferCoding } from './answers.ts';
import { contentCoding } from './content-coding.ts';
import { type BodyLimits, type Received, Reception } from './reception.ts';

/**
 * Receives one body: waits until there is room for it, reads it, and removes its Content-Encoding. It holds no more bytes
 * than `admission` let in, and never more than its limits.
 *
 * Calls `done` exactly once. An unread rest of the body is left to the answer (`sendRefusal`).
 */
export function receiveBody(
  req: IncomingMessage,
  res: ServerResponse,
  admission: Admission,
  limits: BodyLimits,
  done: (received: Received) => void,
): void {
  const coding = contentCoding(req.headers['content-encoding']);
  if (coding === null) {
    done({ kind: 'refused', refusal: unknownEncoding(req.headers['content-encoding'] ?? '') });
    return;
  }
  const transferCoding = req.headers['transfer-encoding'];
  if (transferCoding !== undefined && transferCoding.toLowerCase() !== 'chunked') {
    done({ kind: 'refused', refusal: unknownTransferCoding(transferCoding) });
    return;
  }
  const length = req.headers['content-length'];
  if (length !== undefined && Number(length) > limits.maxBodyBytes) {
    done({ kind: 'refused', refusal: bodyTooLarge(limits.maxBodyBytes) });
    return;
  }
  new Reception(req, res, admission, limits, coding, done).begin();
}
