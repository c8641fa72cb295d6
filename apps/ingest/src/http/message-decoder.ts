import { decodeMessage, type Decoding } from '@sink/cloudevents';
import type { Logger } from '@sink/runtime';
import { type Decoded, decodeApart, decodeDamaged, NONE_REFUSED } from '../quarantine/decode-apart.ts';
import type { Quarantine } from '../quarantine/quarantine.ts';
import { type Refusal, refusalOfDecoding } from './answers.ts';
import type { ReceivedBody } from './reception.ts';
import type { RequestSpans } from './request-span.ts';

export type DecodingSettings = Pick<Decoding, 'attributeEncoding' | 'malformedJson' | 'lenientContentType'>;

export interface DecoderPorts {
  readonly quarantine: Quarantine;
  /** Null: nothing is traced. */
  readonly spans: RequestSpans | null;
  readonly log: Logger;
}

/** Makes events of messages. With a quarantine, what is refused of a message is apart from its good events. */
export class MessageDecoder {
  /** How Content-Type and headers are read. */
  readonly decoding: Decoding;
  readonly #ports: DecoderPorts;
  #opaqueEvents = 0;

  /** @param settings read at each use */
  constructor(settings: DecodingSettings, ports: DecoderPorts) {
    this.#ports = ports;
    this.decoding = {
      get attributeEncoding() {
        return settings.attributeEncoding;
      },
      get malformedJson() {
        return settings.malformedJson;
      },
      get lenientContentType() {
        return settings.lenientContentType;
      },
      opaque: () => void (this.#opaqueEvents += 1),
      traceparent: ports.spans?.found,
    };
  }

  /** Of the message that was decoded last: events whose data is kept as bytes. */
  get opaqueEvents(): number {
    return this.#opaqueEvents;
  }

  /** With a `refusal` and no event `refused` apart, the whole message is refused. */
  decode(rawHeaders: readonly string[], { body, damage }: ReceivedBody, producer: string | undefined): Decoded {
    const { quarantine, log } = this.#ports;
    this.#begin();
    if (damage !== null) return quarantine.isOn ? decodeDamaged(body, damage) : allRefused(damage);
    try {
      return { lines: decodeMessage(rawHeaders, body, this.decoding), refused: NONE_REFUSED, refusal: null };
    } catch (error) {
      const refusal = refusalOfDecoding(error);
      if (refusal.reason === 'internal') log.error({ err: error, producer }, 'decoding a message failed');
      else if (quarantine.isOn) return this.#decodeApart(rawHeaders, body, refusal);
      return allRefused(refusal);
    }
  }

  #decodeApart(rawHeaders: readonly string[], body: Buffer, refusal: Refusal): Decoded {
    const { quarantine } = this.#ports;
    this.#begin();
    const decoded = decodeApart(rawHeaders, body, this.decoding, refusal, quarantine.room);
    if (decoded === null) quarantine.limited('per_second');
    return decoded ?? allRefused(refusal);
  }

  #begin(): void {
    this.#opaqueEvents = 0;
    this.#ports.spans?.decoding();
  }
}

function allRefused(refusal: Refusal): Decoded {
  return { lines: [], refused: NONE_REFUSED, refusal };
}
