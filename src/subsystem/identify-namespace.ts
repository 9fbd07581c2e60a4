/** Identify data structures that describe one namespace. */

import { packBits } from '../wire/bits.js';
import {
  CommandSet,
  DlfeatBits,
  IdentifyIndependentNamespace,
  IdentifyNamespace,
  IdentifyNvmNamespace,
  NamespaceIdDescriptor,
  NamespaceIdType,
  NmicBits,
  NsattrBits,
  NsfeatBits,
  NstatBits,
} from '../wire/layout.gen.js';
import type { Namespace } from './namespace.js';

/** DLFEAT.DRB: deallocated blocks read as zeroes. */
const deallocatedReadsZeroes = 1;

/** Size of every Identify data structure. */
export const identifySize = 4096;

/** Identify Namespace (NVM Command Set 1.1, 4.1.5.1). */
export function identifyNamespace(namespace: Namespace): Buffer {
  const { bdev } = namespace;
  const id = IdentifyNamespace.alloc();
  id.nsze = bdev.blockCount;
  id.ncap = bdev.blockCount;
  id.nuse = bdev.blockCount;
  id.nsfeat = packBits([NsfeatBits.optperf, 1]);
  id.nmic = packBits([NmicBits.shrns, 1]);
  if (bdev.canUnmap && bdev.unmapZeroes)
    id.dlfeat = packBits([DlfeatBits.drb, deallocatedReadsZeroes]);
  // NOIOB stays 0: Linux would cut I/O at its multiples, and no bdev has a boundary that is worth
  // it. The hints below are 0's based blocks.
  const granularity = Math.max(0, Math.min(bdev.optimalWriteBlocks, 0x10000) - 1);
  id.npwg = granularity;
  id.npwa = granularity;
  id.npdg = granularity;
  id.npda = granularity;
  id.nows = granularity;
  id.nsattr = writeProtection(namespace);
  id.nguid = namespace.nguid;
  if (namespace.eui64 !== null) id.eui64 = namespace.eui64;
  id.lbaf(0).lbads = Math.log2(bdev.blockSize);
  return id.buffer;
}

/** I/O Command Set Independent Identify Namespace (NVMe Base 2.1, 5.1.13.2.8). */
export function identifyIndependentNamespace(namespace: Namespace): Buffer {
  const id = IdentifyIndependentNamespace.alloc();
  id.nmic = packBits([NmicBits.shrns, 1]);
  id.nsattr = writeProtection(namespace);
  id.nstat = packBits([NstatBits.nrdy, 1]);
  return id.buffer;
}

/**
 * I/O Command Set specific Identify Namespace of the NVM command set: no protection information,
 * hence all zero.
 */
export function identifyNvmNamespace(_namespace: Namespace): Buffer {
  return IdentifyNvmNamespace.alloc().buffer;
}

/** The Namespace Identification Descriptor list: what hosts name the disk by. */
export function namespaceIdDescriptors(namespace: Namespace): Buffer {
  const descriptors = [
    ...(namespace.eui64 === null ? [] : [descriptor(NamespaceIdType.eui64, namespace.eui64)]),
    descriptor(NamespaceIdType.nguid, namespace.nguid),
    descriptor(NamespaceIdType.uuid, namespace.uuid),
    descriptor(NamespaceIdType.csi, Buffer.of(CommandSet.nvm)),
  ];
  return Buffer.concat(descriptors, identifySize);
}

function descriptor(type: number, identifier: Buffer): Buffer {
  const header = NamespaceIdDescriptor.alloc();
  header.nidt = type;
  header.nidl = identifier.length;
  return Buffer.concat([header.buffer, identifier]);
}

function writeProtection(namespace: Namespace): number {
  return packBits([NsattrBits.cwp, namespace.readOnly ? 1 : 0]);
}
