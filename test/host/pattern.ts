/**
 * What a block holds: its address and the generation that was written last, so that stale, torn and
 * misplaced data are told apart from right ones.
 */

export interface Stamp {
  readonly slba: bigint;
  readonly generation: number;
}

const stampBytes = 16;

/** Blocks from `slba`, each full of its stamp. */
export function patternOf({ slba, generation }: Stamp, blocks: number, blockBytes = 512): Buffer {
  const all = Buffer.alloc(blocks * blockBytes);
  for (let block = 0; block < blocks; block++) {
    const stamp = Buffer.alloc(stampBytes);
    stamp.writeBigUInt64LE(slba + BigInt(block), 0);
    stamp.writeUInt32LE(generation, 8);
    stamp.writeUInt32LE(~generation >>> 0, 12);
    all.fill(stamp, block * blockBytes, (block + 1) * blockBytes);
  }
  return all;
}
