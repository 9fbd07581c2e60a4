/**
 * `uring`: a file or block device, read and written past the page cache through the reactor's
 * io_uring.
 */

import { type Static, Type } from '../json-schema.js';
import { blockSize, flag, section, size, text } from '../config/schema-fields.js';
import type { BdevDescription, BdevParameters } from '../engine/engine-types.js';
import { describeCapacity, nameField } from './fields.js';

export const uringSchema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('uring', {
      description: 'A file or block device, by io_uring and O_DIRECT.',
      'x-effect': 'new',
      'x-also': [
        ...['file', 'fileio', 'image', 'img', 'raw', 'loop', 'path'],
        ...['block', 'blockdev', 'block_device', 'device', 'dev', 'disk', 'iblock', 'lvm', 'zvol'],
        ...['aio', 'libaio', 'linux_aio', 'io_uring', 'iouring', 'xnvme'],
      ],
    }),
    path: text('path', {
      description: 'The file or block device; a relative path begins at the folder of this file.',
      effect: 'new',
    }),
    size: Type.Optional(
      size({
        description:
          'Capacity, a multiple of the block size. Needed with create; else the size of the file or device is taken, ' +
          'and a size that is given must be equal to it.',
        effect: 'new',
        least: '4KiB',
        most: '8PiB',
      }),
    ),
    create: flag({
      description: 'Create the file, sparse, if it does not exist.',
      effect: 'new',
      default: false,
    }),
    read_only: flag({ description: 'Open it for reading only.', effect: 'new', default: false }),
    block_size: blockSize({
      description: 'Logical block size; at least that of the device below.',
      effect: 'new',
      default: 512,
    }),
  },
  section('A file or block device. What a host has flushed survives a crash of the daemon.'),
);

export type UringConfiguration = Static<typeof uringSchema>;

export function uringParameters(bdev: UringConfiguration): BdevParameters {
  return {
    name: bdev.name,
    kind: 'uring',
    path: bdev.path,
    blockSize: bdev.block_size,
    create: bdev.create,
    readOnly: bdev.read_only,
    ...(bdev.size === undefined ? {} : { size: bdev.size }),
  };
}

/** The configuration that recreates the bdev; `path` is not known to the engine's description. */
export function describeUring(
  bdev: BdevDescription,
  parameters: BdevParameters,
): Record<string, unknown> {
  return {
    name: bdev.name,
    kind: 'uring',
    path: parameters.path,
    ...describeCapacity(bdev),
    create: parameters.create ?? false,
    read_only: bdev.readOnly,
  };
}
