/** `partition`: one partition of the table that another bdev has on it. */

import { Type } from '../json-schema.js';
import { section, text } from '../config/schema-fields.js';
import { baseField, nameField, placeOf } from './fields.js';
import type { BdevKind } from './kind.js';

const schema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('partition', {
      description: 'One partition of a GPT or an MBR on another bdev.',
      'x-effect': 'new',
      'x-also': [
        ...['part', 'gpt', 'mbr', 'guid', 'partuuid', 'partlabel'],
        ...['dos', 'msdos', 'disklabel', 'partition_table', 'kpartx'],
      ],
    }),
    base: baseField('range', {
      description:
        'Name of the bdev that has the partition table. Several may have partitions of one.',
      effect: 'new',
    }),
    partition: text('partition', {
      description:
        'Which one: its number as Linux counts; or, of a GPT, its name or its UUID. Digits alone are a number.',
      effect: 'new',
    }),
  },
  section('One partition of a GPT or an MBR on another bdev, as a bdev of its own.'),
);

export const partition: BdevKind = {
  schema,
  isVolatile: false,
  part: (_bdev, description) => placeOf(description),
};
