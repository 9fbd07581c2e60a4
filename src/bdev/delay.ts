/** `delay`: another bdev, later. */

import { Type } from '../json-schema.js';
import { duration, integer, section } from '../config/schema-fields.js';
import { baseField, nameField } from './fields.js';
import type { BdevKind } from './kind.js';

const MOST = '1h';

const time = (description: string) =>
  Type.Optional(duration({ description, effect: 'reload', least: '0', most: MOST }));

const spread = Type.Object(
  {
    average: time('The average. Default: 0.'),
    jitter: time(
      'Uniform, up to so much more or less than the average, and no more than that. Default: 0.',
    ),
    p99: time('Of one operation in a hundred, chosen by chance. Default: as all others.'),
  },
  section('How the time that is added is spread.'),
);

/** A time, or a map of them. */
function timesField(operations: string) {
  return Type.Optional(
    Type.Unsafe<number | Record<string, number>>({
      description: `What is added to the time of ${operations}: a time, or a map that says how it is spread.`,
      'x-effect': 'reload',
      anyOf: [
        duration({
          description: 'All take so much longer.',
          effect: 'reload',
          least: '0',
          most: MOST,
        }),
        spread,
      ],
    }),
  );
}

const schema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('delay', {
      description: 'Another bdev, later.',
      'x-effect': 'new',
      'x-also': ['slow', 'latency', 'lag', 'dm_delay'],
    }),
    base: baseField('all', { description: 'Name of the bdev that is slowed down.', effect: 'new' }),
    read: timesField('reads'),
    write: timesField('writes'),
    flush: timesField('flushes'),
    unmap: timesField('deallocations'),
    write_zeroes: timesField('Write Zeroes'),
    compare: timesField('Compare'),
    seed: integer(0, Number.MAX_SAFE_INTEGER, {
      description: 'Of the generator of chance: the same one gives the same times.',
      effect: 'new',
      default: 0,
    }),
  },
  section('Another bdev that takes longer, for trying what slow and uneven disks do.'),
);

export const delay: BdevKind = {
  schema,
  isVolatile: false,
  check: (bdev, path, reader) => {
    for (const [operation, times] of Object.entries(bdev)) {
      if (typeof times !== 'object' || !('jitter' in times)) continue;
      const { average = 0, jitter } = times;
      if (Number(jitter) <= Number(average)) continue;
      reader.error(
        `${path}.${operation}.jitter`,
        'expected at most the average: no operation ends before its base has done it',
      );
    }
  },
};
