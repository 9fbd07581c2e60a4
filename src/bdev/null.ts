/** `null`: reads zeroes, forgets what is written. For measuring everything but the storage. */

import { type Static, Type } from '../json-schema.js';
import { blockSize, section, size } from '../config/schema-fields.js';
import type { BdevDescription, BdevParameters } from '../engine/engine-types.js';
import { describeCapacity, nameField } from './fields.js';

export const nullSchema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('null', {
      description:
        'Reads zeroes, forgets writes. Written in quotes: a bare null is no string in YAML.',
      'x-effect': 'new',
      'x-also': ['none', 'nil', 'void', 'zero', 'dummy', 'null_blk', 'nullblk', 'nullio'],
    }),
    size: size({
      description: 'Capacity, a multiple of the block size. It takes no memory.',
      effect: 'new',
      least: '4KiB',
      most: '8PiB',
    }),
    block_size: blockSize({ description: 'Logical block size.', effect: 'new', default: 512 }),
  },
  section('A device without storage: reads return zeroes and writes are forgotten.'),
);

export type NullConfiguration = Static<typeof nullSchema>;

export function nullParameters(bdev: NullConfiguration): BdevParameters {
  return { name: bdev.name, kind: 'null', size: bdev.size, blockSize: bdev.block_size };
}

/** The configuration that recreates the bdev. */
export function describeNull(bdev: BdevDescription): Record<string, unknown> {
  return { name: bdev.name, kind: 'null', ...describeCapacity(bdev) };
}
