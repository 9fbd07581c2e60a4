/** What an engine says of a bdev that was made with these parameters. */

import type { BdevDescription, BdevParameters } from '../../../src/engine/engine-types.js';

export function description(parameters: BdevParameters): BdevDescription {
  const { name, kind, size = 1n << 20n, blockSize = 512, readOnly = false } = parameters;
  return {
    name,
    kind,
    blockSize,
    blockCount: size / BigInt(blockSize),
    readOnly,
    canUnmap: true,
    canWriteZeroes: true,
    volatileCache: false,
    optimalWriteBlocks: 8,
    created: false,
    content: null,
  };
}
