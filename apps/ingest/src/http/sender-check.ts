import type { Clock } from '@sink/runtime';
import type { Refusal } from './answers.ts';
import type { EventRequest, ProducerLimiter, RequestEnds } from './event-request.ts';
import type { Identified, Producer, Producers, Signed } from '../producers/producers.ts';
import { wrongSignature } from '../producers/refusals.ts';

export interface SenderCheckPorts {
  limiter?: ProducerLimiter | null;
  clock: Clock;
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
    const { clock } = this.#ports;
    identified
      .then((found) => {
        request.lateMs += clock.monotonicMs() - request.startMs;
        this.#admit(request, found);
      })
      .catch((error: unknown) => this.#ends.fail(request, error));
  }

  /** Who has signed the body, which is as it was received: 401, or 429. */
  verify(request: EventRequest, { candidates, otherwise }: Signed, body: Buffer): Refusal | null {
    const found = candidates.find(({ verify }) => verify(body));
    if (found !== undefined) return this.#enter(request, found.producer);
    if (otherwise.kind === 'known') return this.#enter(request, otherwise.producer);
    request.producer = otherwise.producer;
    return otherwise.producer === null ? wrongSignature(otherwise.refusal) : otherwise.refusal;
  }

  #admit(request: EventRequest, identified: Identified): void {
    if (identified.kind === 'refused') {
      request.producer = identified.producer;
      this.#ends.refuseEarly(request, identified.refusal);
      return;
    }
    const signed = identified.kind === 'signed' ? identified : null;
    const refusal = identified.kind === 'signed' ? this.#check(identified) : this.#enter(request, identified.producer);
    if (refusal !== null) this.#ends.refuseEarly(request, refusal);
    else this.#goOn(request, signed);
  }

  /** A signature may be anybody's until its body is there, so nothing is counted for a producer yet. */
  #check({ candidates, otherwise }: Signed): Refusal | null {
    const all = candidates.map(({ producer }) => producer);
    if (otherwise.kind === 'known') all.push(otherwise.producer);
    return this.#ports.limiter?.check(...all) ?? null;
  }

  #enter(request: EventRequest, producer: Producer): Refusal | null {
    request.producer = producer;
    const { limiter = null } = this.#ports;
    const refusal = limiter?.check(producer) ?? null;
    if (refusal === null) request.slot = limiter?.enter(producer) ?? null;
    return refusal;
  }
}
