/** `malloc`: a RAM disk. Its content is gone when the daemon stops. */

import { type Static, Type } from '../json-schema.js';
import { blockSize, flag, section, size } from '../config/schema-fields.js';
import type { BdevDescription, BdevParameters } from '../engine/engine-types.js';
import { describeCapacity, nameField } from './fields.js';

export const mallocSchema = Type.Object(
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
      description: 'Logical block size. 512 suits every host; ESXi and UEFI need it.',
      effect: 'new',
      default: 512,
    }),
    disposable: flag({
      description:
        'Its content is worth nothing: a reload may empty it, or remove it, without being allowed `data-loss`.',
      effect: 'reload',
      default: false,
    }),
  },
  section('A RAM disk: fast, and empty again after a restart.'),
);

export type MallocConfiguration = Static<typeof mallocSchema>;

export function mallocParameters(bdev: MallocConfiguration): BdevParameters {
  return {
    name: bdev.name,
    kind: 'malloc',
    size: bdev.size,
    blockSize: bdev.block_size,
    disposable: bdev.disposable,
  };
}

/** The configuration that recreates the bdev. */
export function describeMalloc(
  bdev: BdevDescription,
  { disposable = false }: BdevParameters,
): Record<string, unknown> {
  return { name: bdev.name, kind: 'malloc', ...describeCapacity(bdev), disposable };
}
