/**
 * Where the bytes of an HTTP connection may be cut so that no piece has more than one request: the
 * header of a request ends with an empty line, so a piece ends with the first empty line in it. In
 * a body an empty line means nothing, and costs but one piece more.
 */

export const pieceBytesMax = 4096;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export class PieceCutter {
  /** Whether the line that the last piece ended in has begun, with more than a carriage return. */
  #lineBegan = false;

  /** The first piece of what came behind the last one: 1 byte at least, if there is any. */
  next(bytes: Buffer): Buffer {
    const piece = bytes.subarray(0, pieceBytesMax);
    let start = 0;
    for (;;) {
      const end = piece.indexOf(lineFeed, start);
      if (end === -1) break;
      const isEmpty = !this.#lineBegan && isBlank(piece.subarray(start, end));
      this.#lineBegan = false;
      start = end + 1;
      if (isEmpty) return piece.subarray(0, start);
    }
    this.#lineBegan ||= !isBlank(piece.subarray(start));
    return piece;
  }
}

function isBlank(line: Buffer): boolean {
  return line.length === 0 || (line.length === 1 && line[0] === carriageReturn);
}
