/** What an engine says of a bdev that was made with these parameters. */

import type { BdevDescription, BdevParameters } from '../../../src/engine/engine-types.js';

export function description(parameters: BdevParameters): BdevDescription {
  const { name, kind } = parameters;
  const size = (parameters['size'] as bigint | undefined) ?? 1n << 20n;
  const blockSize = (parameters['block_size'] as number | undefined) ?? 512;
  const offset = (parameters['offset'] as bigint | undefined) ?? 0n;
  return {
    name,
    kind,
    blockSize,
    blockCount: size / BigInt(blockSize),
    readOnly: parameters['read_only'] === true,
    canUnmap: true,
    unmapZeroes: true,
    canWriteZeroes: true,
    volatileCache: false,
    optimalWriteBlocks: 8,
    created: false,
    firstBlock: offset / BigInt(blockSize),
    warning: '',
    found: {},
    content: null,
  };
}
