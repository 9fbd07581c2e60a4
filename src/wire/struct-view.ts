/**
 * A typed view over the bytes of one wire structure: the base of the generated classes in
 * layout.gen.ts.
 *
 * A view does not copy: setting a field writes into the buffer it was made from. Integers up to
 * 32 bits are numbers, wider ones bigints, byte fields are sub-buffers.
 */
export abstract class StructView {
  readonly buffer: Buffer;

  /** `buffer` must hold at least `size` bytes; what lies behind them is not part of the view. */
  protected constructor(buffer: Buffer, size: number) {
    if (buffer.length < size) {
      throw new RangeError(
        `expected at least ${size} bytes for ${new.target.name}, got ${buffer.length}`,
      );
    }
    this.buffer = buffer.length === size ? buffer : buffer.subarray(0, size);
  }

  protected getBytes(offset: number, size: number): Buffer {
    return this.buffer.subarray(offset, offset + size);
  }

  /** Shorter values are filled up with zeros. */
  protected setBytes(offset: number, size: number, value: Uint8Array): void {
    if (value.length > size) {
      throw new RangeError(
        `expected at most ${size} bytes at offset ${offset}, got ${value.length}`,
      );
    }
    this.buffer.fill(0, offset, offset + size);
    this.buffer.set(value, offset);
  }

  /** Space-padded ASCII, without its padding. */
  protected getAscii(offset: number, size: number): string {
    // Some peers pad with NUL; both are dropped.
    return this.getBytes(offset, size)
      .toString('latin1')
      .replace(/[ \0]+$/, '');
  }

  protected setAscii(offset: number, size: number, value: string): void {
    if (value.length > size || !/^[\x20-\x7e]*$/.test(value)) {
      throw new RangeError(`expected at most ${size} printable ASCII characters, got '${value}'`);
    }
    this.buffer.fill(0x20, offset, offset + size);
    this.buffer.write(value, offset, 'latin1');
  }

  /** NUL-padded UTF-8, up to the first NUL. */
  protected getText(offset: number, size: number): string {
    const bytes = this.getBytes(offset, size);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? size : end);
  }

  protected setText(offset: number, size: number, value: string): void {
    const bytes = Buffer.from(value, 'utf8');
    if (bytes.length >= size) {
      throw new RangeError(`expected fewer than ${size} bytes of UTF-8, got ${bytes.length}`);
    }
    this.setBytes(offset, size, bytes);
  }

  protected getUint128(offset: number): bigint {
    return this.buffer.readBigUInt64LE(offset) | (this.buffer.readBigUInt64LE(offset + 8) << 64n);
  }

  protected setUint128(offset: number, value: bigint): void {
    if (value < 0n || value >> 128n !== 0n) {
      throw new RangeError(`expected an unsigned 128-bit value, got ${value}`);
    }
    this.buffer.writeBigUInt64LE(value & 0xffff_ffff_ffff_ffffn, offset);
    this.buffer.writeBigUInt64LE(value >> 64n, offset + 8);
  }

  /** The offset of element `index` of an array field. */
  protected elementOffset(offset: number, size: number, count: number, index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw new RangeError(`expected an index below ${count}, got ${index}`);
    }
    return offset + size * index;
  }
}
