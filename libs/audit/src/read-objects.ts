import { addAbortSignal } from 'node:stream';
import { fingerprint } from '@sink/cloudevents';
import { type Compression, parseObjectKey } from '@sink/domain';
import type { ObjectReader } from '@sink/objects';
import type { Findings } from './findings.ts';
import { contentOf, readLines } from './object-lines.ts';
import type { Expected } from './receipts.ts';
import { Repeats } from './repeats.ts';

/** Of the repeated events that are found, so many are looked up to be named. */
const NAMED_MAX = 20;

interface ReadPorts {
  readonly reader: ObjectReader;
  readonly prefix: string;
  readonly findings: Findings;
  readonly signal: AbortSignal;
}

/** Reads objects whole: whether each holds what its receipt says, and whether any event stands in two places. */
export class ObjectsRead {
  readonly #ports: ReadPorts;
  readonly #repeats: Repeats;
  readonly #keys: string[] = [];

  private constructor(ports: ReadPorts, repeats: Repeats) {
    this.#ports = ports;
    this.#repeats = repeats;
  }

  static async open(ports: ReadPorts): Promise<ObjectsRead> {
    return new ObjectsRead(ports, await Repeats.open());
  }

  get count(): number {
    return this.#keys.length;
  }

  /** @param expected absent: nothing is known of the object but its events */
  async read(key: string, expected: Expected | undefined): Promise<void> {
    const { findings } = this.#ports;
    const number = this.#keys.push(key) - 1;
    let unreadable = 0;
    const facts = await this.#lines(key, (line) => {
      const mark = fingerprintOf(line);
      if (mark === null) unreadable += 1;
      else return this.#repeats.add(mark, number);
    });
    if (typeof facts === 'string') return findings.add('damaged', key, facts);
    if (unreadable > 0) findings.add('damaged', key, `${unreadable} lines are no CloudEvents`);
    if (expected === undefined) return;
    const wrong = (['count', 'bytes', 'sha256'] as const).filter((fact) => facts[fact] !== expected[fact]);
    if (wrong.length === 0) return;
    findings.add('damaged', key, wrong.map((fact) => `${fact} ${facts[fact]}, not ${expected[fact]}`).join('; '));
  }

  /** To be called when all objects were read. */
  async findRepeats(): Promise<void> {
    let named = 0;
    for await (const { fingerprint: mark, objects } of this.#repeats.find()) {
      const [first = '', second = ''] = objects.map((number) => this.#keys[number]);
      const event = ++named <= NAMED_MAX ? await this.#nameEvent(second, mark) : 'an event';
      this.#ports.findings.add('repeated', second, `${event} stands in ${first} too`);
    }
  }

  close(): Promise<void> {
    return this.#repeats.close();
  }

  /** A sentence when the object cannot be read as what its name says. */
  async #lines(key: string, onLine: (line: string) => void | Promise<void>): ReturnType<typeof linesOf> {
    const { reader, prefix, signal } = this.#ports;
    return linesOf(reader, key, parseObjectKey(prefix, key)?.compression ?? 'none', onLine, signal);
  }

  async #nameEvent(key: string, mark: Buffer): Promise<string> {
    let name = 'an event';
    await this.#lines(key, (line) => {
      if (fingerprintOf(line)?.equals(mark) !== true) return;
      const { source, id } = JSON.parse(line) as { source: string; id: string };
      name = `the event with source ${JSON.stringify(source)} and id ${JSON.stringify(id)}`;
    });
    return name;
  }
}

async function linesOf(
  reader: ObjectReader,
  key: string,
  compression: Compression,
  onLine: (line: string) => void | Promise<void>,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof readLines>> | string> {
  const object = await reader.get(key, signal);
  if (object === null) return 'it went away while it was looked at';
  try {
    return await readLines(contentOf(addAbortSignal(signal, object), compression), onLine);
  } catch (error) {
    // What zlib says is about the bytes; anything else is about the way to them.
    if (error instanceof Error && 'code' in error && /^(Z_|ZSTD_|ERR_ZSTD)/.test(String(error.code))) {
      return `it cannot be decompressed: ${error.message}`;
    }
    throw error;
  } finally {
    object.destroy();
  }
}

function fingerprintOf(line: string): Buffer | null {
  try {
    return fingerprint(line);
  } catch {
    return null;
  }
}
