/** What bdevs of kind nvme need: an IOMMU, VFIO, and the devices themselves. */

import { checkInterface } from '../device/bind.js';
import { driverText } from '../device/handover.js';
import { iommuAdvice } from '../device/iommu.js';
import type { MachineFiles } from '../device/machine-files.js';
import {
  type NvmeDevice,
  VFIO_DRIVER,
  driverOf,
  findNvme,
  groupNode,
  readNvme,
} from '../device/pci-device.js';
import type { BdevParameters } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { type Finding, type Verdict, finding } from './finding.js';
import { type Patient, bdevsOf } from './patient.js';

export async function vfioFindings(patient: Patient): Promise<Finding[]> {
  const { files } = patient;
  const bdevs = bdevsOf(patient, 'nvme');
  const without: Verdict = bdevs.length > 0 ? 'missing' : 'unused';
  const findings = [
    await iommuFinding(files, without),
    await driverFinding(files, without),
    await devicesFinding(files, without),
  ];
  for (const bdev of bdevs) findings.push(await bdevFinding(files, bdev));
  return findings;
}

async function iommuFinding(files: MachineFiles, without: Verdict): Promise<Finding> {
  const count = (await files.names('/sys/kernel/iommu_groups')).length;
  if (count > 0) return finding('iommu', 'ok', `it has ${String(count)} groups`);
  const reason = 'this machine has none, or has it turned off';
  return finding('iommu', without, reason, await iommuAdvice(files));
}

async function driverFinding(files: MachineFiles, without: Verdict): Promise<Finding> {
  const name = 'vfio';
  const parts = [
    [`/sys/bus/pci/drivers/${VFIO_DRIVER}`, VFIO_DRIVER],
    ['/sys/module/vfio_iommu_type1', 'vfio_iommu_type1'],
    ['/dev/vfio/vfio', 'vfio'],
  ] as const;
  for (const [path, module] of parts) {
    if (await files.isThere(path)) continue;
    return finding(name, without, `there is no ${path}`, `modprobe ${module}`);
  }
  return finding(name, 'ok', `the driver ${VFIO_DRIVER} is loaded`);
}

async function devicesFinding(files: MachineFiles, without: Verdict): Promise<Finding> {
  const name = 'nvme_devices';
  try {
    const { found, looked } = await findNvme(files);
    const drivers = await Promise.all(found.map((address) => driverOf(files, address)));
    const given = drivers.filter((driver) => driver === VFIO_DRIVER).length;
    if (found.length > 0) {
      const text = `${String(found.length)} on PCI Express, ${String(given)} given to ${VFIO_DRIVER}`;
      return finding(name, 'ok', text);
    }
    const where =
      looked === null ? 'this machine shows no PCI devices (/sys/bus/pci)' : 'there are none';
    return finding(name, without, where);
  } catch (thrown) {
    if (!(thrown instanceof TargetError)) throw thrown;
    return finding(name, without, thrown.message);
  }
}

async function bdevFinding(files: MachineFiles, bdev: BdevParameters): Promise<Finding> {
  const name = `bdev ${bdev.name}`;
  const address = typeof bdev['address'] === 'string' ? bdev['address'] : '';
  try {
    const device = await readNvme(files, address);
    checkInterface(device);
    return (await fault(files, name, device)) ?? finding(name, 'ok', `${address} can be used`);
  } catch (thrown) {
    if (!(thrown instanceof TargetError)) throw thrown;
    return finding(name, 'missing', thrown.message, null);
  }
}

/** What keeps the daemon from driving it, in the order in which it would be met. */
async function fault(
  files: MachineFiles,
  name: string,
  { address, driver, group }: NvmeDevice,
): Promise<Finding | undefined> {
  if (group === null) {
    const reason = `the device ${address} is behind no IOMMU`;
    return finding(name, 'missing', reason, await iommuAdvice(files));
  }
  if (driver !== VFIO_DRIVER) {
    const reason = `the device ${address} has ${driverText(driver)}`;
    return finding(name, 'missing', reason, `capsuled device bind ${address}`);
  }
  const foreign = group.others.find((one) => one.driver !== null && one.driver !== VFIO_DRIVER);
  if (foreign !== undefined) {
    return finding(
      name,
      'missing',
      `IOMMU group ${String(group.number)} has ${foreign.address} as well, which has ` +
        driverText(foreign.driver),
      'give all of the group to vfio-pci, or use another slot',
    );
  }
  const node = groupNode(group);
  if (await files.mayUse(node)) return undefined;
  return finding(
    name,
    'missing',
    `${node} may not be opened by this user`,
    'SUBSYSTEM=="vfio", GROUP="GROUP", MODE="0660" in /etc/udev/rules.d/70-capsuled.rules',
  );
}
