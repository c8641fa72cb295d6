import { createHash } from 'node:crypto';
import { addAbortSignal, pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { fingerprint } from '@sink/cloudevents';
import { type Compression, compressionOfKey } from '@sink/domain';
import type { ObjectReader } from '@sink/objects';
import type { Findings } from './findings.ts';
import type { Expected } from './receipts.ts';
import { Repeats } from './repeats.ts';

const LF = 0x0a;
/** As many as a fingerprint of libs/cloudevents has. */
const MARK_BYTES = 16;
/** The repeated events that are looked up and named by source and id; the others are only counted. */
const NAMED_MAX = 20;

interface ReadPorts {
  readonly findings: Findings;
  readonly signal: AbortSignal;
}

export interface ObjectToRead {
  readonly reader: ObjectReader;
  readonly key: string;
  /** Its lines are no events: only its size and checksum are compared. */
  readonly isQuarantine: boolean;
}

/** Reads whole objects, to find those that differ from their receipt and events that are stored in two places. */
export class ObjectsRead {
  readonly #ports: ReadPorts;
  readonly #repeats: Repeats;
  readonly #objects: ObjectToRead[] = [];

  private constructor(ports: ReadPorts, repeats: Repeats) {
    this.#ports = ports;
    this.#repeats = repeats;
  }

  static async open(ports: ReadPorts): Promise<ObjectsRead> {
    return new ObjectsRead(ports, await Repeats.open());
  }

  get count(): number {
    return this.#objects.length;
  }

  /** @param expected absent for an object without a receipt: then only its events are compared */
  async read(object: ObjectToRead, expected: Expected | undefined): Promise<void> {
    const { findings } = this.#ports;
    const { key } = object;
    const number = this.#objects.push(object) - 1;
    let unreadable = 0;
    const facts = await this.#lines(object, (line) => {
      const mark = markOf(object, line);
      if (mark === null) unreadable += 1;
      else return this.#repeats.add(mark, number);
    });
    if (typeof facts === 'string') return findings.add('damaged', key, facts);
    if (unreadable > 0)
      findings.add(
        'damaged',
        key,
        `${unreadable} lines are ${object.isQuarantine ? 'no evidence' : 'not CloudEvents'}`,
      );
    if (expected === undefined) return;
    const wrong = (['count', 'bytes', 'sha256'] as const).filter((fact) => facts[fact] !== expected[fact]);
    if (wrong.length === 0) return;
    findings.add('damaged', key, wrong.map((fact) => `${fact} ${facts[fact]}, not ${expected[fact]}`).join('; '));
  }

  /** The caller has read all objects before. */
  async findRepeats(): Promise<void> {
    let named = 0;
    for await (const { fingerprint: mark, objects } of this.#repeats.find()) {
      const [first, second] = objects.map((number) => this.#objects[number]);
      if (first === undefined || second === undefined) continue;
      const event = ++named <= NAMED_MAX ? await this.#nameEvent(second, mark) : 'an event';
      const where = first === second ? 'is there twice' : `is also in ${first.key}`;
      this.#ports.findings.add('repeated', second.key, `${event} ${where}`);
    }
  }

  close(): Promise<void> {
    return this.#repeats.close();
  }

  /** Resolves to a sentence when the object is not what its name says. */
  async #lines(
    { reader, key }: ObjectToRead,
    onLine: (line: string) => void | Promise<void>,
  ): ReturnType<typeof linesOf> {
    return readObjectLines(reader, key, onLine, this.#ports.signal);
  }

  async #nameEvent(object: ObjectToRead, mark: Buffer): Promise<string> {
    let name = 'an event';
    await this.#lines(object, (line) => {
      if (markOf(object, line)?.equals(mark) !== true) return;
      const { source, id } = JSON.parse(line) as { source: string; id: string };
      if (object.isQuarantine) name = `the evidence with id ${JSON.stringify(id)}`;
      else name = `the event with source ${JSON.stringify(source)} and id ${JSON.stringify(id)}`;
    });
    return name;
  }
}

/**
 * Reads an object line by line. Resolves to a sentence when its content is not what its name says.
 * @param onLine gets each line without its LF; a promise it returns is awaited
 */
export async function readObjectLines(
  reader: ObjectReader,
  key: string,
  onLine: (line: string) => void | Promise<void>,
  signal: AbortSignal,
): ReturnType<typeof linesOf> {
  return linesOf(reader, key, compressionOfKey(key) ?? 'none', onLine, signal);
}

async function linesOf(
  reader: ObjectReader,
  key: string,
  compression: Compression,
  onLine: (line: string) => void | Promise<void>,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof readLines>> | string> {
  const object = await reader.get(key, signal);
  if (object === null) return 'it disappeared during the audit';
  try {
    return await readLines(contentOf(addAbortSignal(signal, object), compression), onLine);
  } catch (error) {
    // Errors of zlib are about the content; all others are about the connection.
    if (error instanceof Error && 'code' in error && /^(Z_|ZSTD_|ERR_ZSTD)/.test(String(error.code))) {
      return `it cannot be decompressed: ${error.message}`;
    }
    throw error;
  } finally {
    object.destroy();
  }
}

/** What makes the line of an object the same as another one; null: it is not what the object should have. */
function markOf({ isQuarantine }: ObjectToRead, line: string): Buffer | null {
  return isQuarantine ? evidenceMark(line) : fingerprintOf(line);
}

/** Each refused event has an id of its own. It is one of evidence, and so that of no event. */
function evidenceMark(line: string): Buffer | null {
  try {
    const { id } = JSON.parse(line) as { id?: unknown };
    return typeof id === 'string'
      ? createHash('sha256').update(`evidence ${id}`).digest().subarray(0, MARK_BYTES)
      : null;
  } catch {
    return null;
  }
}

function fingerprintOf(line: string): Buffer | null {
  try {
    return fingerprint(line);
  } catch {
    return null;
  }
}

/** The uncompressed content of an object. */
function contentOf(object: Readable, compression: Compression): Readable {
  switch (compression) {
    case 'none':
      return object;
    case 'gzip':
      return pipeline(object, createGunzip(), () => undefined);
    case 'zstd':
      return pipeline(object, createZstdDecompress(), () => undefined);
  }
}

interface ContentFacts {
  readonly count: number;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Reads NDJSON to its end, line by line.
 * @param onLine gets each line without its LF; a promise it returns is awaited
 */
async function readLines(
  content: AsyncIterable<Buffer>,
  onLine: (line: string) => void | Promise<void>,
): Promise<ContentFacts> {
  const hash = createHash('sha256');
  let [count, bytes] = [0, 0];
  const begun: Buffer[] = [];
  for await (const piece of content) {
    hash.update(piece);
    bytes += piece.length;
    let start = 0;
    for (let end = piece.indexOf(LF); end !== -1; end = piece.indexOf(LF, start)) {
      begun.push(piece.subarray(start, end));
      const line = begun.length === 1 ? piece.toString('utf8', start, end) : Buffer.concat(begun).toString('utf8');
      begun.length = 0;
      count += 1;
      await onLine(line);
      start = end + 1;
    }
    if (start < piece.length) begun.push(piece.subarray(start));
  }
  return { count, bytes, sha256: hash.digest('hex') };
}
