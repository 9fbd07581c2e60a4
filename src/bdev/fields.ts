/** What kinds of bdevs have in common. */

import { text } from '../config/schema-fields.js';
import type { FieldOptions } from '../config/schema-fields.js';
import type { BdevDescription } from '../engine/engine-types.js';

export const nameField = text('name', {
  description: 'Name that namespaces refer to.',
  effect: 'new',
});

/** The name of a bdev that this one stands on: of all of it alone, or of a range beside others. */
export function baseField(base: 'all' | 'range', options: FieldOptions) {
  return text('name', { ...options, base });
}

/**
 * What a range of another bdev is of that: the same, whoever says where it is, and also when it has
 * grown.
 */
export function placeOf({ firstBlock, blockSize }: BdevDescription): string {
  return `from ${firstBlock * BigInt(blockSize)}`;
}
