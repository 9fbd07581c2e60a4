/** `split`: a range of the blocks of another bdev. */

import { Type } from '../json-schema.js';
import { section, size } from '../config/schema-fields.js';
import { baseField, nameField, placeOf } from './fields.js';
import type { BdevKind } from './kind.js';

const schema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('split', {
      description: 'A range of the blocks of another bdev.',
      'x-effect': 'new',
      'x-also': ['linear', 'range', 'slice', 'dm_linear', 'concat'],
    }),
    base: baseField('range', {
      description:
        'Name of the bdev that the blocks are of. Several may have ranges of one that do not meet.',
      effect: 'new',
    }),
    offset: size({
      description: 'Where it begins in its base, a multiple of the block size of that.',
      effect: 'new',
      default: '0',
      least: '0',
      most: '8PiB',
    }),
    size: Type.Optional(
      size({
        description:
          'Capacity, a multiple of the block size of the base. Default: all of the base behind the offset.',
        effect: 'new',
        least: '512',
        most: '8PiB',
      }),
    ),
  },
  section('A part of another bdev, as a bdev of its own.'),
);

export const split: BdevKind = {
  schema,
  isVolatile: false,
  part: (_bdev, description) => placeOf(description),
};
