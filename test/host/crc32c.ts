/**
 * CRC32C (Castagnoli) from its definition, so that digests are checked by other code than they were
 * made by.
 */

const reversedPolynomial = 0x82f63b78;

/** `tables[k][b]`: the remainder of byte `b` followed by `k` zero bytes. */
const tables: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const first = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder >>> 1) ^ ((remainder & 1) === 1 ? reversedPolynomial : 0);
    }
    first[byte] = remainder;
  }
  const all = [first];
  for (let zeros = 1; zeros < 4; zeros++) {
    const before = all[zeros - 1]!;
    all.push(before.map((remainder) => (remainder >>> 8) ^ first[remainder & 0xff]!));
  }
  return all;
}

/** The digest of `bytes`, as a PDU carries it. */
export function crc32c(bytes: Uint8Array): number {
  const [t0, t1, t2, t3] = tables as readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = 0xffffffff;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    crc ^= view.getUint32(at, true);
    crc = t3[crc & 0xff]! ^ t2[(crc >>> 8) & 0xff]! ^ t1[(crc >>> 16) & 0xff]! ^ t0[crc >>> 24]!;
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
