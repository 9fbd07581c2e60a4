/** What the kinds of bdevs have in common in config.yaml. */

import { text } from '../config/schema-fields.js';
import { formatSize } from '../config/size.js';
import type { BdevDescription } from '../engine/engine-types.js';

export const nameField = text('name', {
  description: 'Name that namespaces refer to.',
  effect: 'new',
});

/** The capacity of a living bdev, as its configuration has it. */
export function describeCapacity({ blockCount, blockSize }: BdevDescription) {
  return { size: formatSize(blockCount * BigInt(blockSize)), block_size: blockSize };
}
