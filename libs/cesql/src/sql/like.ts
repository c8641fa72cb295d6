/** Stands for `_` among code points. */
const ANY = -1;

/**
 * A pattern of LIKE. It is cut at each `%` once; the pieces are looked for one after the other, each from where the one
 * before ended, and never again. So the time grows with the length of the text, and not with the number of `%` in it.
 */
export function compileLike(pattern: string): (text: string) => boolean {
  const { pieces, wild } = piecesOf(pattern);
  if (wild) return matchesWild(pieces);
  const [first = '', ...others] = pieces.map((piece) => String.fromCodePoint(...piece));
  const last = others.pop();
  if (last === undefined) return (text) => text === first;
  const shortest = first.length + last.length;
  if (others.length === 0) {
    return (text) => text.length >= shortest && text.startsWith(first) && text.endsWith(last);
  }
  return (text) => {
    if (text.length < shortest || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let from = first.length;
    for (const piece of others) {
      const at = text.indexOf(piece, from);
      if (at < 0) return false;
      from = at + piece.length;
    }
    return from <= end;
  };
}

type Piece = readonly number[];

/** What is between the `%` of a pattern, and whether there is a `_`. `\%` and `\_` are themselves; other `\` too. */
function piecesOf(pattern: string): { readonly pieces: readonly Piece[]; readonly wild: boolean } {
  const pieces: number[][] = [[]];
  let wild = false;
  const characters = Array.from(pattern);
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index] ?? '';
    const following = characters[index + 1];
    if (character === '%') {
      // Two % in a row are one.
      if (pieces.length === 1 || pieces.at(-1)?.length !== 0) pieces.push([]);
    } else if (character === '_') {
      pieces.at(-1)?.push(ANY);
      wild = true;
    } else {
      const escaped = character === '\\' && (following === '%' || following === '_');
      if (escaped) index += 1;
      pieces.at(-1)?.push((escaped ? following : character).codePointAt(0) ?? 0);
    }
  }
  return { pieces, wild };
}

/** With `_`, on code points. */
function matchesWild(pieces: readonly Piece[]): (text: string) => boolean {
  const [first = [], ...others] = pieces;
  const last = others.pop();
  return (text) => {
    const points = Array.from(text, (character) => character.codePointAt(0) ?? 0);
    if (last === undefined) return points.length === first.length && isAt(points, 0, first);
    const end = points.length - last.length;
    if (end < first.length || !isAt(points, 0, first) || !isAt(points, end, last)) return false;
    let from = first.length;
    for (const piece of others) {
      while (from + piece.length <= end && !isAt(points, from, piece)) from += 1;
      from += piece.length;
      if (from > end) return false;
    }
    return true;
  };
}

function isAt(points: readonly number[], at: number, piece: Piece): boolean {
  for (let index = 0; index < piece.length; index += 1) {
    const wanted = piece[index];
    if (wanted !== ANY && wanted !== points[at + index]) return false;
  }
  return true;
}
