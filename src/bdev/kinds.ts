/**
 * The kinds of bdevs: one entry per backend, and the names of those that a later version brings.
 */

import { type Static, Type } from '../json-schema.js';
import { formatSize } from '../config/size.js';
import type { BdevDescription, BdevParameters } from '../engine/engine-types.js';
import { describeMalloc, mallocParameters, mallocSchema } from './malloc.js';
import { describeNull, nullParameters, nullSchema } from './null.js';
import { describeUring, uringParameters, uringSchema } from './uring.js';

const LATER_BDEV_KINDS = ['nvme', 'nvmf', 'delay', 'error'] as const;

export const bdevSchema = Type.Union([mallocSchema, nullSchema, uringSchema], {
  'x-discriminator': 'kind',
  'x-later-kinds': LATER_BDEV_KINDS,
});

export type BdevConfiguration = Static<typeof bdevSchema>;

/** What the engine needs to create it. */
export function bdevParameters(bdev: BdevConfiguration): BdevParameters {
  switch (bdev.kind) {
    case 'malloc':
      return mallocParameters(bdev);
    case 'null':
      return nullParameters(bdev);
    case 'uring':
      return uringParameters(bdev);
  }
}

/** A bdev that is not open, in the words of config.yaml: only what was written is known. */
export function describeParameters(parameters: BdevParameters): Record<string, unknown> {
  const { size, blockSize, readOnly, ...rest } = parameters;
  return {
    ...rest,
    ...(size === undefined ? {} : { size: formatSize(size) }),
    ...(blockSize === undefined ? {} : { block_size: blockSize }),
    ...(readOnly === undefined ? {} : { read_only: readOnly }),
  };
}

/** The configuration that would recreate a living bdev. */
export function describeBdev(
  bdev: BdevDescription,
  parameters: BdevParameters,
): Record<string, unknown> {
  switch (bdev.kind) {
    case 'malloc':
      return describeMalloc(bdev, parameters);
    case 'null':
      return describeNull(bdev);
    case 'uring':
      return describeUring(bdev, parameters);
    default:
      return { name: bdev.name, kind: bdev.kind };
  }
}
