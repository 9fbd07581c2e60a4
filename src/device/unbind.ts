/** Whether a device can be given back to the driver that it had, and that it is. */

import { checkGroupIsFree, checkVirtualFunctions } from './bind.js';
import type { FormerDrivers } from './former-drivers.js';
import { type Handover, carryOut } from './handover.js';
import { inUse } from './holders.js';
import type { MachineFiles } from './machine-files.js';
import { type NvmeDevice, VFIO_DRIVER } from './pci-device.js';
import { processText } from './processes.js';
import type { Usage } from './usage.js';

/** What the kernel gives a drive to that nobody has said anything about. */
const DRIVER_DEFAULT = 'nvme';

/** Throws why it cannot be given back. */
export async function prepareUnbind(
  files: MachineFiles,
  former: FormerDrivers,
  device: NvmeDevice,
  usage: Usage,
): Promise<Handover> {
  const { address, driver, driverOverride, nodes } = device;
  for (const node of nodes.filter((name) => name.startsWith('/'))) {
    const [opener] = usage.openers.get(node) ?? [];
    if (opener === undefined) continue;
    throw inUse(address, [`${node} is open in ${await processText(files, opener)}`]);
  }
  checkVirtualFunctions(device);
  await checkGroupIsFree(files, device, usage);
  const known = await former.recall(device);
  const to = known === null ? DRIVER_DEFAULT : known.driver;
  return {
    address,
    from: driver,
    to,
    override: known?.driverOverride ?? null,
    formerOverride: driverOverride,
  };
}

/** Throws why it was not given back, and how it was left. */
export async function unbind(
  files: MachineFiles,
  former: FormerDrivers,
  handover: Handover,
): Promise<void> {
  await carryOut(files, handover);
  await former.forget(handover.address).catch(() => undefined);
}

/** Whether it is not the kernel's to use. */
export function isGivenAway({ driver }: NvmeDevice): boolean {
  return driver === VFIO_DRIVER;
}

/**
 * Whether it was given away, and is not back: it may have got stuck between the two, when the
 * kernel was too slow.
 */
export async function isToGiveBack(former: FormerDrivers, device: NvmeDevice): Promise<boolean> {
  if (device.driver !== null) return isGivenAway(device);
  return (await former.recall(device)) !== null;
}
