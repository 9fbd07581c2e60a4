/** Declared bit ranges, such as `CapBits.mqes`: use sites neither shift nor mask. */

/** Bits `high` to `low`, both included, as the specification writes them. */
export interface BitRange {
  readonly high: number;
  readonly low: number;
}

/** The range's value in a word of up to 32 bits, moved down to bit 0. */
export function getBits(word: number, range: BitRange): number {
  // Division, because JavaScript's shifts are signed at bit 31.
  return Math.floor(word / 2 ** range.low) % 2 ** (range.high - range.low + 1);
}

/** `word` with the range replaced by `value`, which must fit. */
export function setBits(word: number, range: BitRange, value: number): number {
  const bound = 2 ** (range.high - range.low + 1);
  if (!Number.isInteger(value) || value < 0 || value >= bound) {
    throw new RangeError(
      `expected a value below ${bound} for bits ${range.high}:${range.low}, got ${value}`,
    );
  }
  return word + (value - getBits(word, range)) * 2 ** range.low;
}

/** Whether any bit of the range is set; for one-bit flags. */
export function hasBit(word: number, range: BitRange): boolean {
  return getBits(word, range) !== 0;
}

/** A word of ranges: `packBits([CcBits.en, 1], [CcBits.iosqes, 6])`. */
export function packBits(...fields: readonly (readonly [BitRange, number])[]): number {
  return fields.reduce((word, [range, value]) => setBits(word, range, value), 0);
}

/** As `getBits`, for a word of 64 bits such as CAP. */
export function getBits64(word: bigint, range: BitRange): number {
  return Number(BigInt.asUintN(range.high - range.low + 1, word >> BigInt(range.low)));
}

/** As `packBits`, for a word of 64 bits such as CAP. */
export function packBits64(...fields: readonly (readonly [BitRange, number])[]): bigint {
  return fields.reduce((word, [range, value]) => {
    const width = BigInt(range.high - range.low + 1);
    if (!Number.isInteger(value) || value < 0 || BigInt(value) >> width !== 0n) {
      throw new RangeError(
        `expected a value of ${width} bits for ${range.high}:${range.low}, got ${value}`,
      );
    }
    const mask = ((1n << width) - 1n) << BigInt(range.low);
    return (word & ~mask) | (BigInt(value) << BigInt(range.low));
  }, 0n);
}
