/** A generator of numbers in [0, 1) that gives the same ones for a seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Lines of events that are hard to make objects of one size of: stretches of up to some MB of one kind after the other; small
 * events that compress to a tenth, text that compresses to a third, noise that hardly compresses, and now and then an event
 * of up to `largeBytesMax`.
 */
export function* skewedEvents(seed: number, largeBytesMax: number): Generator<string, never, void> {
  const random = numbers(seed);
  const noise = (bytes: number): string =>
    Buffer.from(Array.from({ length: Math.ceil(bytes / 4) * 3 }, () => Math.floor(random() * 256))).toString('base64');
  const words = Array.from({ length: 300 }, () => noise(8).slice(0, 3 + Math.floor(random() * 6)));
  const text = (bytes: number): string => {
    let made = '';
    while (made.length < bytes) made += `${words[Math.floor(random() * words.length)] ?? ''} `;
    return made;
  };
  for (let id = 0; ;) {
    const kind = Math.floor(random() * 3);
    const stretchBytes = 2_000 * 1_500 ** random();
    for (let bytes = 0; bytes < stretchBytes;) {
      const large = random() < 0.002;
      const size = large ? random() * largeBytesMax : 40 + 800 * random() ** 2;
      const data = kind === 0 && !large ? id % 7 : random() < 0.5 && kind !== 2 ? text(size) : noise(size);
      const line = `{"specversion":"1.0","id":"${(id++).toString(36)}-${Math.floor(random() * 1e9)}","source":"/shop/${id % 13}","type":"order.created","time":"2026-11-23T10:30:00.${id % 1000}Z","data":${JSON.stringify(data)}}\n`;
      bytes += line.length;
      yield line;
    }
  }
}
