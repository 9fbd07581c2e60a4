/**
 * The identity of a block device from what it says of itself. Pure.
 *
 * A name that its maker gave to this one device in the world (NAA, EUI-64, NGUID, UUID) is used as
 * it is. Others many machines have alike: virtual disks that are all called QM00001, partition
 * tables and volumes that a copied machine has copied. They count on this machine only.
 */

import { namedUuid } from '../subsystem/identity.js';
import type { ContentFacts } from '../engine/engine-types.js';
import type { Machine } from './machine.js';

export interface DeviceIdentity {
  readonly uuid: string;
  /** What it was made of: `wwid naa.5000c500a1b2c3d4`. */
  readonly source: string;
}

interface Name {
  readonly source: string;
  readonly reach: 'world' | 'machine';
}

type Names = ContentFacts['names'];

/** Null if it says nothing that tells it from others. */
export function deviceIdentity(
  { names, diskNames }: Pick<ContentFacts, 'names' | 'diskNames'>,
  machine: Machine,
): DeviceIdentity | null {
  const name = names['partition'] === undefined ? diskName(names) : partitionName(names, diskNames);
  if (name === null) return null;
  const { source, reach } = name;
  const scope = reach === 'world' ? '' : machine.digest('device', source).toString('hex');
  return { uuid: namedUuid('device', `${source}\0${scope}`), source };
}

function diskName(names: Names): Name | null {
  for (const key of ['uuid', 'nguid', 'wwid', 'dm_uuid', 'md_uuid', 'cid', 'serial'] as const) {
    const value = names[key];
    if (value === undefined || !/[1-9a-z]/i.test(value)) continue;
    if (key === 'serial') {
      const model = names['model'];
      return {
        source: `serial ${model === undefined ? '' : `${model} `}${value}`,
        reach: 'machine',
      };
    }
    const isWorldwide =
      key === 'uuid' || key === 'nguid' || key === 'cid' || (key === 'wwid' && isAssigned(value));
    return { source: `${key} ${value}`, reach: isWorldwide ? 'world' : 'machine' };
  }
  return null;
}

/** A partition is known by its own UUID on its disk, or by its number there. */
function partitionName(names: Names, diskNames: Names): Name | null {
  const disk = diskName(diskNames);
  const uuid = names['partition_uuid'];
  if (disk !== null) {
    const part = uuid === undefined ? `partition ${names['partition'] ?? ''}` : `partition ${uuid}`;
    return { source: `${part} of ${disk.source}`, reach: disk.reach };
  }
  return uuid === undefined ? null : { source: `partition ${uuid}`, reach: 'machine' };
}

/** Identifiers that a registry gave out, but for those that QEMU gives to every first disk. */
function isAssigned(wwid: string): boolean {
  return /^(naa|eui|uuid)\./i.test(wwid) && !/^eui\.0*525400/i.test(wwid);
}
