/** What is looked at: a machine, this process on it, and what shall run there. */

import { kindOf } from '../bdev/kinds.js';
import type { DaemonConfiguration } from '../config/normalize.js';
import type { MachineFiles } from '../device/machine-files.js';
import type { MachineNeeds } from '../engine/machine.js';
import type { BdevParameters } from '../engine/engine-types.js';
import type { TargetError } from '../errors.js';

/** An address of this machine, and the interface that has it. */
export interface OwnAddress {
  readonly address: string;
  readonly interfaceName: string;
}

export interface Patient {
  readonly files: MachineFiles;
  /** That was read, or what holds where there is none. */
  readonly configuration: DaemonConfiguration;
  readonly nodeVersion: string;
  /** `6.12.9-amd64` */
  readonly kernelRelease: string;
  /** CPUs that this process may use. */
  readonly cores: readonly number[];
  readonly addresses: readonly OwnAddress[];
  /** What an engine would need here, or why there can be none. */
  readonly trial: MachineNeeds | TargetError;
}

/** Its bdevs of one kind. */
export function bdevsOf(
  { configuration }: Pick<Patient, 'configuration'>,
  kind: string,
): BdevParameters[] {
  return configuration.target.bdevs.filter((bdev) => bdev.kind === kind);
}

/** How much memory its RAM disks take when they are full. */
export function ramDiskBytes({ configuration }: Pick<Patient, 'configuration'>): bigint {
  return configuration.target.bdevs.reduce(
    (sum, bdev) => sum + (kindOf(bdev.kind)?.memoryBytes?.(bdev) ?? 0n),
    0n,
  );
}

/** What the engine pins for its bdevs of kind nvme, with the buffers; 0: it has none. */
export function pinnedBytes(
  patient: Pick<Patient, 'configuration'>,
  { pinnedBytes: all, driveBytes, queueEntryBytes }: MachineNeeds,
): number {
  const drives = bdevsOf(patient, 'nvme');
  if (drives.length === 0) return 0;
  const reactors = patient.configuration.engine.cores.length;
  const ofDrive = (bdev: BdevParameters): number =>
    reactors * (driveBytes + Number(bdev['queue_entries']) * queueEntryBytes);
  return drives.reduce((sum, bdev) => sum + ofDrive(bdev), all);
}

const CAPABILITY_BITS = { netBindService: 10n, ipcLock: 14n } as const;

export async function hasCapability(
  files: MachineFiles,
  name: keyof typeof CAPABILITY_BITS,
): Promise<boolean> {
  const status = (await files.text('/proc/self/status')) ?? '';
  const [, digits = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return ((BigInt(`0x${digits}`) >> CAPABILITY_BITS[name]) & 1n) === 1n;
}
