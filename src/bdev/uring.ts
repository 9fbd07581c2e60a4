/**
 * `uring`: a file or block device, read and written past the page cache through the reactor's
 * io_uring.
 */

import { Type } from '../json-schema.js';
import { blockSize, flag, section, size, text } from '../config/schema-fields.js';
import { nameField } from './fields.js';
import type { BdevKind } from './kind.js';

const schema = Type.Object(
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
      content: true,
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
      effect: 'reload',
      opening: true,
      default: false,
    }),
    read_only: flag({
      description:
        "Open it for reading only: hosts' writes end as Namespace is Write Protected. Not together with create.",
      effect: 'new',
      default: false,
    }),
    block_size: Type.Optional(
      blockSize({
        description:
          'Logical block size. Default: what direct I/O on the file needs, which is 512, or 4096 on a disk with 4 KiB ' +
          'sectors.',
        effect: 'new',
      }),
    ),
  },
  section('A file or block device. What a host has flushed survives a crash of the daemon.'),
);

export const uring: BdevKind = {
  schema,
  isVolatile: false,
  check: (bdev, path, reader) => {
    if (bdev['create'] !== true) return;
    if (bdev['size'] === undefined && !reader.has(`${path}.size`)) {
      reader.error(
        `${path}.size`,
        'expected a size, because "create" is true, but "size" is missing',
      );
    }
    if (bdev['read_only'] === true) {
      reader.error(`${path}.create`, 'expected false, because "read_only" is true, got true');
    }
  },
};
