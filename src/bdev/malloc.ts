/** `malloc`: a RAM disk. Its content is gone when the daemon stops. */

import { Type } from '../json-schema.js';
import { blockSize, flag, section, size } from '../config/schema-fields.js';
import { nameField } from './fields.js';
import type { BdevKind } from './kind.js';

const schema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('malloc', {
      description: 'A RAM disk.',
      'x-effect': 'new',
      'x-also': ['ram', 'ramdisk', 'ram_disk', 'mem', 'memory', 'brd', 'tmpfs', 'rd_mcp'],
    }),
    size: size({
      description: 'Capacity, a multiple of the block size. Memory is taken as it is written.',
      effect: 'new',
      least: '4KiB',
      most: '1PiB',
    }),
    block_size: blockSize({
      description:
        'Logical block size. 512 suits every host, and ESXi and UEFI need it; 4096 suits most and saves work.',
      effect: 'new',
      default: 512,
    }),
    disposable: flag({
      description:
        'Its content is worth nothing: a reload may empty it, or remove it, without being allowed `data-loss`.',
      effect: 'reload',
      default: false,
      control: true,
    }),
  },
  section('A RAM disk: fast, and empty again after a restart.'),
);

export const malloc: BdevKind = {
  schema,
  isVolatile: true,
  memoryBytes: ({ size: bytes }) => (typeof bytes === 'bigint' ? bytes : 0n),
};
