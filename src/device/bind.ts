/**
 * Whether a device can be given to vfio-pci, and that it is. A drive that anything of this machine
 * uses is refused, with who uses it. Its block devices are claimed before the last look, right
 * before the kernel is told to let go, and until it has: nothing that wants them alone can begin to
 * use them between. What is not kept away is a process that opens one after that look, or a
 * namespace that comes after it, in the few milliseconds that are left.
 */

import { constants } from 'node:fs';
import { TargetError } from '../errors.js';
import { listed } from '../listed.js';
import { fileReason } from '../system-error.js';
import type { Claims } from './claims.js';
import type { FormerDrivers } from './former-drivers.js';
import { type Handover, carryOut, driverText, isLate } from './handover.js';
import { holdersOf, inUse } from './holders.js';
import { iommuAdvice } from './iommu.js';
import type { MachineFiles } from './machine-files.js';
import {
  NVME_CLASS_CODE,
  type NvmeDevice,
  type PciFunction,
  VFIO_DRIVER,
  driverOf,
  groupNode,
  readNvme,
} from './pci-device.js';
import { processText } from './processes.js';
import { type Usage, readUsage } from './usage.js';

/** A device that may change hands, and what keeps others from it until it has. */
export interface Prepared {
  readonly device: NvmeDevice;
  readonly handover: Handover;
  readonly claims: Claims;
  readonly together: readonly string[];
}

/**
 * Throws why it cannot be given away. `together`: the addresses that are given away with it.
 * `claims`: of all of them; whoever has made it releases what is left.
 */
export async function prepareBind(
  files: MachineFiles,
  device: NvmeDevice,
  usage: Usage,
  { claims, together }: Pick<Prepared, 'claims' | 'together'>,
): Promise<Prepared> {
  const { address, driver, driverOverride } = device;
  checkInterface(device);
  await checkIommu(files, device);
  if (!(await files.isThere(`/sys/bus/pci/drivers/${VFIO_DRIVER}`))) {
    throw new TargetError(
      'platform_unsupported',
      `the driver ${VFIO_DRIVER} is not loaded; \`modprobe ${VFIO_DRIVER}\` loads it`,
    );
  }
  await checkUse(files, device, usage, together);
  await checkGroup(files, device, usage, together);
  await claims.take(device);
  const handover = {
    address,
    from: driver,
    to: VFIO_DRIVER,
    override: VFIO_DRIVER,
    formerOverride: driverOverride,
  };
  return { device, handover, claims, together };
}

/** Throws why it was not given away, and how it was left. */
export async function bind(
  files: MachineFiles,
  former: FormerDrivers,
  prepared: Prepared,
): Promise<void> {
  const { device, handover, claims } = prepared;
  const { address } = device;
  const release = () => claims.release(address);
  try {
    const isNew = await remember(former, device);
    try {
      await lookAgain(files, prepared);
      await carryOut(files, handover, release);
    } catch (thrown) {
      const isAsItWas = !isLate(thrown) && (await driverOf(files, address)) === handover.from;
      if (isNew && isAsItWas) await former.forget(address).catch(() => undefined);
      throw thrown;
    }
  } finally {
    await release();
  }
}

/** Others that were given away before it may have taken minutes. */
async function lookAgain(
  files: MachineFiles,
  { handover, claims, together }: Prepared,
): Promise<void> {
  const { address, from } = handover;
  const device = await readNvme(files, address);
  if (device.driver !== from) {
    const now = driverText(device.driver);
    throw new TargetError('in_use', `${address} has ${now} meanwhile, and had ${driverText(from)}`);
  }
  await claims.take(device);
  await checkUse(files, device, await readUsage(files), together);
}

/** What drives it can only use the one by which I/O is done. */
export function checkInterface({ address, classCode }: NvmeDevice): void {
  if (classCode === NVME_CLASS_CODE) return;
  const [code, wanted] = [classCode, NVME_CLASS_CODE].map((one) =>
    one.toString(16).padStart(6, '0'),
  );
  throw new TargetError(
    'device_failed',
    `${address} is of class ${code ?? ''}h, whose last two digits are another programming ` +
      `interface than that of an NVMe I/O controller (${wanted ?? ''}h)`,
  );
}

async function checkUse(
  files: MachineFiles,
  device: NvmeDevice,
  usage: Usage,
  together: readonly string[],
): Promise<void> {
  const { address } = device;
  checkVirtualFunctions(device);
  checkSiblings(device, together);
  const holders = await holdersOf(files, device, usage);
  if (holders.length === 0) return;
  throw inUse(
    address,
    holders.map(({ text }) => text),
  );
}

/** They end with the driver of the function that has made them. */
export function checkVirtualFunctions({ address, virtualFunctions }: NvmeDevice): void {
  if (virtualFunctions.length === 0) return;
  throw inUse(address, [
    `it has the virtual functions ${listed(virtualFunctions).join(', ')}; when nobody uses them, ` +
      `\`echo 0 > /sys/bus/pci/devices/${address}/sriov_numvfs\` ends them`,
  ]);
}

/** By which the kernel would go on to use the same namespaces. */
function checkSiblings({ address, controller }: NvmeDevice, together: readonly string[]): void {
  const rest = (controller?.siblings ?? []).filter(
    (sibling) => sibling.address === null || !together.includes(sibling.address),
  );
  if (rest.length === 0) return;
  const words = rest.map(({ name, address: other }) => `${name} (${other ?? 'by a network'})`);
  const others = rest.flatMap(({ address: other }) => (other === null ? [] : [other]));
  const advice =
    others.length === rest.length
      ? `\`capsuled device bind ${[...together, ...others].join(' ')}\` gives all of them`
      : '`nvme disconnect` ends those by a network';
  throw inUse(address, [
    `the kernel reaches the same drive by ${listed(words).join(', ')} as well; ${advice}`,
  ]);
}

async function checkIommu(files: MachineFiles, { address, group }: NvmeDevice): Promise<void> {
  if (group !== null) return;
  throw new TargetError(
    'platform_unsupported',
    `the device ${address} is behind no IOMMU; ${await iommuAdvice(files)}`,
  );
}

/** All of a group go to one process, or none. */
async function checkGroup(
  files: MachineFiles,
  { address, group }: NvmeDevice,
  usage: Usage,
  together: readonly string[],
): Promise<void> {
  if (group === null) return;
  const rest = group.others.filter((other) => !together.includes(other.address));
  const foreign = rest.filter(({ driver }) => driver !== null && driver !== VFIO_DRIVER);
  if (foreign.length > 0) {
    const words = foreign.map((one) => `${one.address} (${driverText(one.driver)})`);
    throw new TargetError(
      'in_use',
      `${address} shares IOMMU group ${String(group.number)} with ${listed(words).join(', ')}; ` +
        `all of a group go to one process, or none${bindHint(address, foreign)}`,
    );
  }
  const isShared = rest.some(({ driver }) => driver === VFIO_DRIVER);
  if (isShared) await checkGroupIsFree(files, { address, group }, usage);
}

/** Of NVMe controllers alone it may be meant. */
function bindHint(address: string, foreign: readonly PciFunction[]): string {
  if (foreign.some(({ driver }) => driver !== 'nvme')) return '; another slot may have its own';
  const all = [address, ...foreign.map((one) => one.address)].join(' ');
  return `; \`capsuled device bind ${all}\` gives all of them`;
}

/**
 * A process that has a device of the group has the group, and the kernel waits for it to let go.
 */
export async function checkGroupIsFree(
  files: MachineFiles,
  { address, group }: Pick<NvmeDevice, 'address' | 'group'>,
  usage: Usage,
): Promise<void> {
  if (group === null) return;
  const node = groupNode(group);
  const [opener] = usage.openers.get(node) ?? [];
  if (opener !== undefined) {
    throw inUse(address, [`${node} is open in ${await processText(files, opener)}`]);
  }
  try {
    await (await files.open(node, constants.O_RDWR)).close();
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EBUSY') throw inUse(address, [`${node} is in use by another process`]);
    // Who may not open it is told so by what opens it; here it is only looked at.
  }
}

/**
 * Answers whether it was written down now. Where that fails, it must be what the kernel does by
 * itself: `nvme` without an override.
 */
async function remember(former: FormerDrivers, device: NvmeDevice): Promise<boolean> {
  const { address, driver, driverOverride } = device;
  try {
    return await former.remember(device);
  } catch (thrown) {
    if (driver === 'nvme' && (driverOverride === null || driverOverride === VFIO_DRIVER)) {
      return false;
    }
    throw new TargetError(
      'state_unusable',
      `${address}: that it has ${driverText(driver)} must be written down before, and ` +
        `${former.pathOf(address)} cannot be written: ${fileReason(thrown)}`,
      { cause: thrown },
    );
  }
}
