import type { Clock, Logger } from '@sink/runtime';
import { INTERNAL, type Refusal } from './answers.ts';
import type { EventRequest, ProducerLimiter, RequestEnds } from './event-request.ts';
import type { Identified, Known, Producer, Producers, Signed } from '../producers/producers.ts';
import { wrongSignature } from '../producers/refusals.ts';

export interface SenderCheckPorts {
  limiter?: ProducerLimiter | null;
  clock: Clock;
  log: Logger;
}

/** Goes on with a request. `signed`: its producer is only known when `verify` has seen the body. */
type GoOn = (request: EventRequest, signed: Signed | null) => void;

/** Finds out who sends a request, by its head or by the signature of its body, and whether that producer may have one more. */
export class SenderCheck {
  readonly #ports: SenderCheckPorts;
  readonly #ends: RequestEnds;
  readonly #goOn: GoOn;

  constructor(ports: SenderCheckPorts, ends: RequestEnds, goOn: GoOn) {
    this.#ports = ports;
    this.#ends = ends;
    this.#goOn = goOn;
  }

  /** By the head: 401, 403, 503, or 429 for the number of requests in flight. */
  identify(request: EventRequest, producers: Producers): void {
    const identified = producers.identify(request.req);
    if (!(identified instanceof Promise)) {
      this.#admit(request, identified);
      return;
    }
    const { clock, log } = this.#ports;
    void identified.then(
      (found) => {
        request.lateMs += clock.monotonicMs() - request.startMs;
        this.#admit(request, found);
      },
      (error: unknown) => {
        log.error({ err: error }, 'handling a request failed');
        this.#ends.refuseEarly(request, INTERNAL);
      },
    );
  }

  /** Who has signed the body, which is as it was received: 401, or 429. */
  verify(request: EventRequest, { candidates, otherwise }: Signed, body: Buffer): Refusal | null {
    const found: Pick<Known, 'producer'> | undefined =
      candidates.find(({ verify }) => verify(body)) ?? (otherwise.kind === 'known' ? otherwise : undefined);
    if (found?.producer === request.producer) return null;
    this.#ends.leave(request);
    if (found !== undefined) return this.#enter(request, found.producer);
    if (otherwise.kind === 'known') return null;
    request.producer = otherwise.producer;
    return otherwise.producer === null ? wrongSignature(otherwise.refusal) : otherwise.refusal;
  }

  #admit(request: EventRequest, identified: Identified): void {
    if (identified.kind === 'refused') {
      request.producer = identified.producer;
      this.#ends.refuseEarly(request, identified.refusal);
      return;
    }
    const { producer } = identified.kind === 'signed' ? identified.candidates[0] : identified;
    const refusal = this.#enter(request, producer);
    if (refusal !== null) this.#ends.refuseEarly(request, refusal);
    else this.#goOn(request, identified.kind === 'signed' ? identified : null);
  }

  #enter(request: EventRequest, producer: Producer): Refusal | null {
    request.producer = producer;
    const refusal = this.#ports.limiter?.enter(producer) ?? null;
    request.isEntered = refusal === null;
    return refusal;
  }
}
