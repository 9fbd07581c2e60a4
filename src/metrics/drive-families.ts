/** Metrics of bdevs that drive their device by themselves, and of these devices. */

import type { BdevDrive, DriveHealth } from '../engine/engine-types.js';
import type { ObservedTarget } from './families.js';
import { type Family, type Sample, counter, gauge } from './family.js';

/** Data units of the SMART log: a thousand blocks of 512 bytes. */
const dataUnitBytes = 512_000;
const zeroCelsiusKelvin = 273;

export function driveFamilies(target: Pick<ObservedTarget, 'bdevs'>): Family[] {
  const drives = (read: (drive: BdevDrive) => number | null) => (): Sample[] =>
    target.bdevs.flatMap(({ name: bdev, drive }) => {
      const value = drive === null ? null : read(drive);
      return value === null ? [] : [{ labels: { bdev }, value }];
    });
  const healths = (read: (health: DriveHealth) => number) =>
    drives(({ health }) => (health === null ? null : read(health)));
  return [
    counter(
      'capsuled_nvme_resets_total',
      'How often the controller of a bdev had to be reset.',
      drives(({ resets }) => resets),
    ),
    counter(
      'capsuled_bounce_copies_total',
      'Operations of a bdev whose data its device could not reach, and that were copied.',
      drives(({ bounceCopies }) => bounceCopies),
    ),
    gauge(
      'capsuled_drive_critical_warnings',
      'Critical Warning of the drive of a bdev (SMART): bits, 0 if there is none.',
      healths(({ criticalWarning }) => criticalWarning),
    ),
    gauge(
      'capsuled_drive_temperature_celsius',
      'Composite temperature of the drive of a bdev (SMART).',
      healths(({ temperatureKelvin }) => temperatureKelvin - zeroCelsiusKelvin),
    ),
    gauge(
      'capsuled_drive_available_spare_ratio',
      'Spare capacity that the drive of a bdev has left, of what it had (SMART).',
      healths(({ availableSpare }) => availableSpare / 100),
    ),
    gauge(
      'capsuled_drive_used_ratio',
      'How much of its expected life the drive of a bdev has used; may exceed 1 (SMART).',
      healths(({ percentageUsed }) => percentageUsed / 100),
    ),
    counter(
      'capsuled_drive_read_bytes_total',
      'Bytes that were read from the drive of a bdev in its life (SMART).',
      healths(({ dataUnitsRead }) => dataUnitsRead * dataUnitBytes),
    ),
    counter(
      'capsuled_drive_written_bytes_total',
      'Bytes that were written to the drive of a bdev in its life (SMART).',
      healths(({ dataUnitsWritten }) => dataUnitsWritten * dataUnitBytes),
    ),
    counter(
      'capsuled_drive_media_errors_total',
      'Errors of the medium that the drive of a bdev has counted in its life (SMART).',
      healths(({ mediaErrors }) => mediaErrors),
    ),
    counter(
      'capsuled_drive_unsafe_shutdowns_total',
      'How often the drive of a bdev lost its power without notice (SMART).',
      healths(({ unsafeShutdowns }) => unsafeShutdowns),
    ),
  ];
}
