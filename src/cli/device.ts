/** `capsuled device`: which NVMe devices there are, who has them, and giving them away and back. */

import { sizeText } from '../byte-text.js';
import { type Prepared, bind, prepareBind } from '../device/bind.js';
import { Claims } from '../device/claims.js';
import { DeviceList, type DeviceView } from '../device/device-list.js';
import { FormerDrivers } from '../device/former-drivers.js';
import { type Handover, writeText, writesOf } from '../device/handover.js';
import { MachineFiles } from '../device/machine-files.js';
import { parsePciAddress } from '../device/pci-address.js';
import {
  type NvmeDevice,
  PCI_DEVICES,
  driverOf,
  findNvme,
  readNvme,
} from '../device/pci-device.js';
import { RULES_FILE, udevRules } from '../device/udev-rules.js';
import { isGivenAway, isToGiveBack, prepareUnbind, unbind } from '../device/unbind.js';
import { readUsage } from '../device/usage.js';
import { TargetError } from '../errors.js';
import { printableJson, printableLine } from '../printable.js';
import { table } from './table.js';
import { type Terminal, bold, yellow } from './terminal.js';

export interface DeviceWords {
  readonly json?: true;
  readonly dryRun?: true;
}

/** The machine; tests put another one in its place. */
export interface DeviceMachine {
  readonly files: MachineFiles;
  readonly former: FormerDrivers;
}

function thisMachine(): DeviceMachine {
  const files = new MachineFiles();
  return { files, former: new FormerDrivers(files) };
}

export async function listDevices(
  words: DeviceWords,
  terminal: Terminal,
  machine: DeviceMachine = thisMachine(),
): Promise<number> {
  const devices = await new DeviceList(machine).read();
  if (words.json === true) {
    printJson(devices, terminal);
    return 0;
  }
  if (devices.length === 0) {
    terminal.out(`no NVMe devices: ${await howLooked(machine.files)}\n`);
    return 0;
  }
  const titles = ['ADDRESS', 'MODEL', 'SIZE', 'NAMESPACES', 'DRIVER', 'IOMMU GROUP', 'IN USE BY'];
  const text = table([titles, ...devices.map(row)]);
  const [first = '', ...rest] = text.split('\n');
  terminal.out(`${bold(first, terminal)}\n${rest.join('\n')}`);
  sayUnseen(
    devices.every((device) => device.in_use_by_is_whole),
    terminal,
  );
  return 0;
}

async function howLooked(files: MachineFiles): Promise<string> {
  const { looked } = await findNvme(files);
  if (looked === null) return 'this machine shows no PCI devices (/sys/bus/pci)';
  return `none of the ${String(looked)} PCI devices in ${PCI_DEVICES} has the class 0108h`;
}

function row(device: DeviceView): string[] {
  const { address, vendor, namespaces, driver, iommu_group: group, in_use_by: holders } = device;
  const [first, ...more] = holders;
  const others = more.length === 0 ? '' : `, and ${String(more.length)} more`;
  return [
    address,
    device.model ?? `${vendor}:${device.device}`,
    device.size === null ? '-' : sizeText(device.size),
    namespaces.length === 0 ? '-' : namespaces.map(({ name }) => name).join(' '),
    driver ?? '-',
    group === null ? '-' : String(group),
    first === undefined ? '-' : `${first.text}${others}`,
  ].map(printableLine);
}

export async function showDevice(
  addressText: string,
  words: DeviceWords,
  terminal: Terminal,
  machine: DeviceMachine = thisMachine(),
): Promise<number> {
  const { files } = machine;
  const device = await readNvme(files, parsePciAddress(addressText));
  const usage = await readUsage(files);
  const view = await new DeviceList(machine).view(device, usage);
  if (words.json === true) {
    printJson(view, terminal);
    return 0;
  }
  terminal.out(table(facts(view).map(([name, value]) => [`${name}:`, printableLine(value)])));
  sayUnseen(usage.isWhole, terminal);
  return 0;
}

/** Everything of it, a line for each fact. */
function facts(view: DeviceView): [string, string][] {
  const { iommu_group: group } = view;
  const orNone = (value: number | string | null): string => String(value ?? 'none');
  const given = (name: string, value: string | null): [string, string][] =>
    value === null ? [] : [[name, value]];
  const several = (name: string, values: readonly string[]): [string, string][] =>
    values.length === 0 ? [[name, 'none']] : values.map((value) => [name, value]);
  return [
    ['address', view.address],
    ['vendor and device', `${view.vendor}:${view.device}`],
    ['model', view.model ?? 'not known'],
    ['serial', view.serial ?? 'not known'],
    ['firmware', view.firmware ?? 'not known'],
    ['driver', orNone(view.driver)],
    ...given('driver override', view.driver_override),
    ...given('former driver', view.former_driver),
    ['controller', view.controller === null ? 'none' : `${view.controller}, ${orNone(view.state)}`],
    ...several(
      'namespace',
      view.namespaces.map(
        ({ name, nsid, block_size: bytes, size }) =>
          `${name}, NSID ${String(nsid)}, ${sizeText(size)} in blocks of ${String(bytes)} bytes`,
      ),
    ),
    ['IOMMU group', group === null ? 'none: it is behind no IOMMU' : String(group)],
    ...several(
      'in the group',
      view.group_devices.map(
        (other) => `${other.address}, class ${other.class}, driver ${orNone(other.driver)}`,
      ),
    ),
    ['NUMA node', orNone(view.numa_node)],
    ...several(
      'in use by',
      view.in_use_by.map(({ text }) => text),
    ),
  ];
}

export async function bindDevices(
  addresses: readonly string[],
  words: DeviceWords,
  terminal: Terminal,
  machine: DeviceMachine = thisMachine(),
): Promise<number> {
  const { files, former } = machine;
  const devices = await readAll(files, addresses);
  const usage = await readUsage(files);
  const together = devices.map(({ address }) => address);
  const claims = new Claims(files);
  const prepared: Prepared[] = [];
  try {
    // All of them before the first is touched.
    for (const device of devices) {
      if (isGivenAway(device)) continue;
      prepared.push(
        await ruled(device, terminal, () =>
          prepareBind(files, device, usage, { claims, together }),
        ),
      );
    }
    sayUnseen(usage.isWhole, terminal);
    for (const device of devices) {
      const one = prepared.find((each) => each.device === device);
      if (one === undefined) {
        terminal.out(`${device.address}: has the driver vfio-pci already\n`);
      } else if (words.dryRun === true) {
        sayPlan(one.handover, terminal);
      } else {
        await ruled(device, terminal, () => bind(files, former, one));
        terminal.out(`${device.address}: given to vfio-pci, was with ${nameOf(device.driver)}\n`);
      }
    }
  } finally {
    await claims.releaseAll();
  }
  return 0;
}

export async function unbindDevices(
  addresses: readonly string[],
  words: DeviceWords,
  terminal: Terminal,
  machine: DeviceMachine = thisMachine(),
): Promise<number> {
  const { files, former } = machine;
  const devices = await readAll(files, addresses);
  const usage = await readUsage(files);
  // All of them before the first is touched.
  const handovers = new Map<string, Handover>();
  for (const device of devices) {
    if (!(await isToGiveBack(former, device))) continue;
    handovers.set(device.address, await prepareUnbind(files, former, device, usage));
  }
  for (const { address } of devices) {
    // Others that were given back before it may have taken minutes.
    const device = await readNvme(files, address);
    const handover = handovers.get(address);
    if (handover === undefined || !(await isToGiveBack(former, device))) {
      terminal.out(`${address}: is not with vfio-pci, but with ${nameOf(device.driver)}\n`);
    } else if (words.dryRun === true) {
      sayPlan(handover, terminal);
    } else {
      const now = await prepareUnbind(files, former, device, await readUsage(files));
      await ruled(device, terminal, () => unbind(files, former, now));
      terminal.out(`${address}: given back to ${nameOf(await driverOf(files, address))}\n`);
    }
  }
  return 0;
}

async function readAll(files: MachineFiles, texts: readonly string[]): Promise<NvmeDevice[]> {
  const devices: NvmeDevice[] = [];
  for (const address of new Set(texts.map(parsePciAddress))) {
    devices.push(await readNvme(files, address));
  }
  return devices;
}

/** Who is refused for want of a right is shown the rule that gives it. */
async function ruled<T>(
  { address, names }: NvmeDevice,
  terminal: Terminal,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    if (thrown instanceof TargetError && thrown.code === 'forbidden') {
      terminal.error(`# ${RULES_FILE} lets the group "capsuled" do it with these lines:\n`);
      for (const line of udevRules(address, names?.serial ?? null, 'capsuled'))
        terminal.error(`${line}\n`);
    }
    throw thrown;
  }
}

function sayPlan(handover: Handover, terminal: Terminal): void {
  for (const write of writesOf(handover)) terminal.out(`would: ${writeText(write)}\n`);
}

/** What could not be looked at may use a device all the same. */
function sayUnseen(isWhole: boolean, terminal: Terminal): void {
  if (isWhole) return;
  const why =
    process.geteuid?.() === 0
      ? 'even root does not see all in a container, without its capabilities, or of very many'
      : 'root, outside of containers, sees all of them';
  terminal.error(
    `${yellow('warning:', terminal)} not all processes could be looked at, so one that has a ` +
      `device open may not be listed; ${why}\n`,
  );
}

function nameOf(driver: string | null): string {
  return driver ?? 'no driver';
}

function printJson(value: unknown, terminal: Terminal): void {
  terminal.out(`${printableJson(JSON.stringify(value, null, 2))}\n`);
}
