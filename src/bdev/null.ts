/** `null`: reads zeroes, forgets what is written. For measuring everything but the storage. */

import { Type } from '../json-schema.js';
import { blockSize, section, size } from '../config/schema-fields.js';
import { nameField } from './fields.js';
import type { BdevKind } from './kind.js';

const schema = Type.Object(
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

/** It has nothing to lose. */
export const nullKind: BdevKind = { schema, isVolatile: false, forgetsWrites: true };
