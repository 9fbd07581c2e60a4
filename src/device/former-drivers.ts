/**
 * Which driver a device had before it was given to vfio-pci, so that it can be given back to it;
 * and what the drive had said of itself, which nobody can ask it then. One small file for each
 * device, in a folder that a restart of the machine empties, as it gives devices back. It is of its
 * own: root acts upon it, so no service may be able to write there.
 */

import type { MachineFiles } from './machine-files.js';
import { type DriveNames, type NvmeDevice, VFIO_DRIVER } from './pci-device.js';

export interface FormerDriver {
  /** Null: it had none. */
  readonly driver: string | null;
  readonly driverOverride: string | null;
  readonly names: DriveNames | null;
}

const FOLDER = '/run/capsuled-devices';

export class FormerDrivers {
  readonly #files: MachineFiles;
  readonly #folder: string;

  constructor(files: MachineFiles, folder = FOLDER) {
    this.#files = files;
    this.#folder = folder;
  }

  pathOf(address: string): string {
    return `${this.#folder}/${address}.json`;
  }

  /**
   * Answers whether it was written down: what is known of a device that was on its way already, and
   * did not get there, is kept. Throws the system's error, with its code.
   */
  async remember(facts: NvmeDevice): Promise<boolean> {
    const { address, vendor, device, driver, driverOverride, names } = facts;
    const isOnItsWay = driver === null || driverOverride === VFIO_DRIVER;
    if (isOnItsWay && (await this.recall(facts)) !== null) return false;
    const override = driverOverride === VFIO_DRIVER ? null : driverOverride;
    const record = { vendor, device, driver, driver_override: override, names };
    await this.#files.save(this.pathOf(address), `${JSON.stringify(record)}\n`);
    return true;
  }

  /**
   * Null: nothing is known, or it was of another device in the same place. A file that cannot be
   * read, or that others could have written, is as good as none: the kernel knows by itself which
   * driver a drive gets.
   */
  async recall({ address, vendor, device }: NvmeDevice): Promise<FormerDriver | null> {
    const text = await this.#files.saved(this.pathOf(address)).catch(() => undefined);
    const record = parsed(text);
    if (record?.['vendor'] !== vendor || record['device'] !== device) return null;
    return {
      driver: textOrNull(record['driver']),
      driverOverride: textOrNull(record['driver_override']),
      names: namesOf(record['names']),
    };
  }

  /** Throws the system's error, with its code. */
  forget(address: string): Promise<void> {
    return this.#files.remove(this.pathOf(address));
  }
}

type Json = Readonly<Record<string, unknown>>;

function parsed(text: string | undefined): Json | undefined {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function namesOf(value: unknown): DriveNames | null {
  if (typeof value !== 'object' || value === null) return null;
  const { model, serial, firmware } = value as Partial<Record<keyof DriveNames, unknown>>;
  return {
    model: textOrNull(model) ?? '',
    serial: textOrNull(serial) ?? '',
    firmware: textOrNull(firmware) ?? '',
  };
}
