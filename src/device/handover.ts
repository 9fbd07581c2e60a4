/**
 * Taking a device from one driver and giving it to another: what has to be written for it, in
 * order, and the writing itself. What has been written is taken back when something goes wrong.
 *
 * Deciding comes before, in `bind.ts` and `unbind.ts`.
 */

import { TargetError } from '../errors.js';
import { LateFault } from '../small-file.js';
import { fileReason } from '../system-error.js';
import { type MachineFiles, isRefusal } from './machine-files.js';
import { PCI_DEVICES, driverOf } from './pci-device.js';

export interface Handover {
  readonly address: string;
  /** Who has it; null: nobody. */
  readonly from: string | null;
  /** Who shall have it; null: nobody. */
  readonly to: string | null;
  /** The only driver that may take it; null: whichever fits. */
  readonly override: string | null;
  readonly formerOverride: string | null;
}

export interface Write {
  readonly file: string;
  readonly value: string;
}

const PROBE = '/sys/bus/pci/drivers_probe';
/** Taken for "none" by the kernel. */
const NO_OVERRIDE = '\n';

export function writesOf({ address, from, to, override }: Handover): Write[] {
  const folder = `${PCI_DEVICES}/${address}`;
  return [
    { file: `${folder}/driver_override`, value: override ?? NO_OVERRIDE },
    ...(from === null ? [] : [{ file: `/sys/bus/pci/drivers/${from}/unbind`, value: address }]),
    ...(to === null ? [] : [{ file: PROBE, value: address }]),
  ];
}

/** As it would be typed. */
export function writeText({ file, value }: Write): string {
  return `echo ${value === NO_OVERRIDE ? '' : `${value} `}> ${file}`;
}

/**
 * Throws why the device did not change hands, and how it was left. `release`: gives up what keeps
 * others from it, once the former driver has let go, before another is asked to take it: what the
 * kernel makes of it anew has its former names only if nobody has the old ones.
 */
export async function carryOut(
  files: MachineFiles,
  handover: Handover,
  release: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const { address, from, to } = handover;
  try {
    for (const write of writesOf(handover)) {
      if (write.file === PROBE) await release();
      await writeOne(files, write);
    }
    const found = await driverOf(files, address);
    if (found !== to) throw new TargetError('device_failed', gotText(handover, found));
  } catch (thrown) {
    const error = TargetError.from(thrown);
    // What the kernel is still doing is not to be taken back.
    if (isLate(error)) throw error;
    await release();
    const left = await putBack(files, handover);
    const state = left === from ? 'it is as it was' : `it is left with ${driverText(left)}`;
    throw new TargetError(error.code, `${address}: ${error.message}; ${state}`, { cause: thrown });
  }
}

/** Whether the kernel has not answered in time, and so may yet do what it was told. */
export function isLate(thrown: unknown): boolean {
  return thrown instanceof TargetError && thrown.cause instanceof LateFault;
}

/** Who may write is the operator's to say; what else the kernel refuses is of this device. */
async function writeOne(files: MachineFiles, { file, value }: Write): Promise<void> {
  try {
    await files.write(file, value);
  } catch (thrown) {
    throw writeError(file, thrown);
  }
}

function writeError(file: string, thrown: unknown): TargetError {
  const { code } = thrown as NodeJS.ErrnoException;
  if (thrown instanceof LateFault) {
    return new TargetError(
      'device_failed',
      `${file} was written to, and the kernel has not answered since; it goes on. When it has ` +
        'ended, which `capsuled device status` shows, this command must be run again',
      { cause: thrown },
    );
  }
  if (isRefusal(code)) {
    return new TargetError(
      'forbidden',
      `${file} may not be written by this user; the operator's udev rule can allow it ` +
        '(docs/operating/devices.md)',
      { cause: thrown },
    );
  }
  const reason = code === 'EROFS' ? 'sysfs is mounted read-only here' : fileReason(thrown);
  return new TargetError('device_failed', `${file} cannot be written: ${reason}`, {
    cause: thrown,
  });
}

function gotText({ from, to }: Handover, found: string | null): string {
  if (to === null) return `${driverText(found)} has taken it, which is not asked for`;
  const hint =
    found === null ? `; \`dmesg\` may say why, and \`modprobe ${to}\` loads that driver` : '';
  const still = found === from && from !== null ? 'still ' : '';
  return `expected the driver ${to} to take it, but it ${still}has ${driverText(found)}${hint}`;
}

export function driverText(driver: string | null): string {
  return driver === null ? 'no driver' : `the driver ${driver}`;
}

/** Answers who has it then. A step that fails is passed over: the next may still help. */
async function putBack(files: MachineFiles, handover: Handover): Promise<string | null> {
  const { address, from, formerOverride } = handover;
  const attempt = async (write: Write): Promise<void> => {
    await files.write(write.file, write.value).catch(() => undefined);
  };
  const now = await driverOf(files, address);
  const back = {
    address,
    from: now === from ? null : now,
    to: now === from ? null : from,
    override: formerOverride,
    formerOverride: null,
  };
  for (const write of writesOf(back)) await attempt(write);
  return driverOf(files, address);
}
