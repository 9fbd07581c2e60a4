/**
 * The NVMe controllers on PCI Express, as sysfs shows them: what each is, which driver has it, who
 * shares its IOMMU group, and, while the kernel drives it, what is on it.
 */

import { basename } from 'node:path';
import { TargetError } from '../errors.js';
import type { MachineFiles } from './machine-files.js';

/** One function of a PCI device. */
export interface PciFunction {
  readonly address: string;
  /** Class, subclass and programming interface: 010802h is an NVMe controller. */
  readonly classCode: number;
  readonly driver: string | null;
}

/** Devices that an IOMMU cannot tell from each other: all of them go to one process, or none. */
export interface IommuGroup {
  readonly number: number;
  /** Without bridges, which stay with the kernel, and without the device whose group it is. */
  readonly others: readonly PciFunction[];
}

/** Of the kernel's driver. */
export interface KernelController {
  /** `nvme0` */
  readonly name: string;
  /** `live`, `resetting`, `dead`, … */
  readonly state: string;
  readonly subnqn: string | null;
  /** Others by which the kernel reaches the same drive. */
  readonly siblings: readonly Sibling[];
}

/** Another controller of a drive. */
export interface Sibling {
  /** `nvme1` */
  readonly name: string;
  /** Of PCI; null: it is reached by a network. */
  readonly address: string | null;
}

export interface Namespace {
  /** Of the block device: `nvme0n1`. */
  readonly name: string;
  /** The kernel cannot use what is on it, so it has no node and no users. */
  readonly isHidden: boolean;
  readonly nsid: number;
  readonly blockSize: number;
  /** Bytes. */
  readonly size: number;
}

/** What a drive says of itself. */
export interface DriveNames {
  readonly model: string;
  readonly serial: string;
  readonly firmware: string;
}

export interface NvmeDevice extends PciFunction {
  /** Four hexadecimal digits. */
  readonly vendor: string;
  readonly device: string;
  /** The only driver that may have it; null: whichever fits. */
  readonly driverOverride: string | null;
  /** Null: no IOMMU is between it and the memory. */
  readonly group: IommuGroup | null;
  /** Null: it is near to none, or to all. */
  readonly numaNode: number | null;
  /** Functions that live by this one (SR-IOV). */
  readonly virtualFunctions: readonly string[];
  readonly controller: KernelController | null;
  /** Null while no driver of the kernel has asked for them. */
  readonly names: DriveNames | null;
  readonly namespaces: readonly Namespace[];
  /** Other nodes by which processes may use it: `/dev/vfio/12`, or `c242:0`. */
  readonly nodes: readonly string[];
}

export const PCI_DEVICES = '/sys/bus/pci/devices';
export const VFIO_DRIVER = 'vfio-pci';

const NVME_CLASS = 0x0108;
/** With the programming interface by which I/O is done. */
export const NVME_CLASS_CODE = 0x010802;
const BRIDGE_CLASS = 0x0604;
/** A group that the kernel makes where there is no IOMMU, and somebody has asked to do without. */
const NO_IOMMU = 'vfio-noiommu';
/** What sysfs counts the size of block devices in. */
const SECTOR_BYTES = 512;

/** `found`: addresses of NVMe controllers; `looked`: how many PCI devices there are. */
export interface Search {
  readonly found: readonly string[];
  /** Null: this machine shows no PCI bus. */
  readonly looked: number | null;
}

export async function findNvme(files: MachineFiles): Promise<Search> {
  await checkSysfs(files);
  if (!(await files.isThere(PCI_DEVICES))) return { found: [], looked: null };
  const addresses = await files.names(PCI_DEVICES);
  const found: string[] = [];
  for (const address of addresses) {
    if (isNvme(await classCode(files, address))) found.push(address);
  }
  return { found, looked: addresses.length };
}

/** Throws if the machine does not show what it has. */
export async function checkSysfs(files: MachineFiles): Promise<void> {
  if (await files.isThere('/sys/bus')) return;
  throw new TargetError(
    'platform_unsupported',
    'sysfs is not mounted at /sys, so no device can be seen; `mount -t sysfs sysfs /sys` mounts ' +
      'it, and a container needs that of its host',
  );
}

/** Throws if there is no such device, or it is none of NVMe. */
export async function readNvme(files: MachineFiles, address: string): Promise<NvmeDevice> {
  await checkSysfs(files);
  if (!(await files.isThere(PCI_DEVICES))) {
    throw new TargetError('not_found', 'this machine shows no PCI devices (/sys/bus/pci)');
  }
  const folder = `${PCI_DEVICES}/${address}`;
  if (!(await files.isThere(folder))) {
    throw new TargetError(
      'not_found',
      `there is no PCI device ${address}; \`capsuled device list\` shows those that there are`,
    );
  }
  const device = await readFunction(files, address);
  if (!isNvme(device.classCode)) {
    throw new TargetError('device_failed', `the PCI device ${address} is no NVMe controller`);
  }
  return readDevice(files, device);
}

/** Of {@link findNvme}; undefined: it was taken out meanwhile. */
export async function readFound(
  files: MachineFiles,
  address: string,
): Promise<NvmeDevice | undefined> {
  const device = await readFunction(files, address);
  return isNvme(device.classCode) ? readDevice(files, device) : undefined;
}

function isNvme(code: number): boolean {
  return code >> 8 === NVME_CLASS;
}

/** Which driver has it now. */
export async function driverOf(files: MachineFiles, address: string): Promise<string | null> {
  const link = await files.link(`${PCI_DEVICES}/${address}/driver`);
  return link === undefined ? null : basename(link);
}

async function readDevice(files: MachineFiles, device: PciFunction): Promise<NvmeDevice> {
  const folder = `${PCI_DEVICES}/${device.address}`;
  const group = await readGroup(files, device.address);
  const numaNode = Number((await files.text(`${folder}/numa_node`)) ?? -1);
  const override = (await files.text(`${folder}/driver_override`)) ?? '';
  const facts = {
    ...device,
    vendor: await hexadecimal(files, `${folder}/vendor`),
    device: await hexadecimal(files, `${folder}/device`),
    driverOverride: override === '' || override === '(null)' ? null : override,
    group,
    numaNode: numaNode < 0 ? null : numaNode,
    virtualFunctions: await readVirtualFunctions(files, folder),
  };
  const [name] = await files.names(`${folder}/nvme`);
  if (name === undefined) {
    const nodes = await readNodes(files, folder, []);
    return { ...facts, controller: null, names: null, namespaces: [], nodes };
  }
  const below = `${folder}/nvme/${name}`;
  const namespaces = await readNamespaces(files, below);
  const generic = namespaces.map((one) => one.name.replace(/^nvme/, 'ng'));
  const characters = [below, ...generic.map((node) => `/sys/class/nvme-generic/${node}`)];
  return {
    ...facts,
    controller: await readController(files, below, name),
    names: await readNames(files, below),
    namespaces,
    nodes: await readNodes(files, folder, characters),
  };
}

async function readVirtualFunctions(files: MachineFiles, folder: string): Promise<string[]> {
  const addresses: string[] = [];
  for (const name of await files.names(folder)) {
    if (!/^virtfn\d+$/.test(name)) continue;
    const link = await files.link(`${folder}/${name}`);
    if (link !== undefined) addresses.push(basename(link));
  }
  return addresses;
}

async function readFunction(files: MachineFiles, address: string): Promise<PciFunction> {
  return {
    address,
    classCode: await classCode(files, address),
    driver: await driverOf(files, address),
  };
}

async function classCode(files: MachineFiles, address: string): Promise<number> {
  return parseInt((await files.text(`${PCI_DEVICES}/${address}/class`)) ?? '0', 16);
}

async function hexadecimal(files: MachineFiles, path: string): Promise<string> {
  return ((await files.text(path)) ?? '').replace(/^0x/, '');
}

async function readGroup(files: MachineFiles, address: string): Promise<IommuGroup | null> {
  const folder = `${PCI_DEVICES}/${address}/iommu_group`;
  const link = await files.link(folder);
  if (link === undefined || (await files.text(`${folder}/name`)) === NO_IOMMU) return null;
  const others: PciFunction[] = [];
  for (const other of await files.names(`${folder}/devices`)) {
    if (other === address) continue;
    const facts = await readFunction(files, other);
    if (facts.classCode >> 8 !== BRIDGE_CLASS) others.push(facts);
  }
  return { number: Number(basename(link)), others };
}

async function readController(
  files: MachineFiles,
  folder: string,
  name: string,
): Promise<KernelController> {
  return {
    name,
    state: (await files.text(`${folder}/state`)) ?? 'unknown',
    subnqn: (await files.text(`${folder}/subsysnqn`)) ?? null,
    siblings: await readSiblings(files, name),
  };
}

const SUBSYSTEMS = '/sys/class/nvme-subsystem';

async function readSiblings(files: MachineFiles, name: string): Promise<Sibling[]> {
  const siblings: Sibling[] = [];
  for (const subsystem of await files.names(SUBSYSTEMS)) {
    const folder = `${SUBSYSTEMS}/${subsystem}`;
    const controllers = (await files.names(folder)).filter((entry) => /^nvme\d+$/.test(entry));
    if (!controllers.includes(name)) continue;
    for (const other of controllers.filter((entry) => entry !== name)) {
      const isLocal = (await files.text(`${folder}/${other}/transport`)) === 'pcie';
      const address = isLocal ? await files.text(`${folder}/${other}/address`) : undefined;
      siblings.push({ name: other, address: address ?? null });
    }
  }
  return siblings;
}

async function readNames(files: MachineFiles, folder: string): Promise<DriveNames> {
  const text = async (name: string) => (await files.text(`${folder}/${name}`)) ?? '';
  return {
    model: await text('model'),
    serial: await text('serial'),
    firmware: await text('firmware_rev'),
  };
}

/** By their block devices: with several paths to a drive, those that stand for all of them. */
async function readNamespaces(files: MachineFiles, folder: string): Promise<Namespace[]> {
  const namespaces: Namespace[] = [];
  for (const entry of await files.names(folder)) {
    if (!/^nvme\d+(c\d+)?n\d+$/.test(entry)) continue;
    const name = entry.replace(/c\d+/, '');
    const block = `/sys/class/block/${name}`;
    const sectors = await files.text(`${block}/size`);
    if (sectors === undefined) continue;
    namespaces.push({
      name,
      isHidden: (await files.text(`${block}/hidden`)) === '1',
      nsid: Number((await files.text(`${block}/nsid`)) ?? /\d+$/.exec(name)?.[0] ?? 0),
      blockSize: Number((await files.text(`${block}/queue/logical_block_size`)) ?? SECTOR_BYTES),
      size: Number(sectors) * SECTOR_BYTES,
    });
  }
  return namespaces;
}

/**
 * Beside the block devices: those of the group, of a driver's own, and for commands of any kind.
 */
async function readNodes(
  files: MachineFiles,
  folder: string,
  characters: readonly string[],
): Promise<string[]> {
  const nodes: string[] = [];
  const link = await files.link(`${folder}/iommu_group`);
  if (link !== undefined) {
    const isTranslated = (await files.text(`${folder}/iommu_group/name`)) !== NO_IOMMU;
    nodes.push(`/dev/vfio/${isTranslated ? '' : 'noiommu-'}${basename(link)}`);
  }
  for (const name of await files.names(`${folder}/vfio-dev`))
    nodes.push(`/dev/vfio/devices/${name}`);
  for (const name of await files.names(`${folder}/uio`)) nodes.push(`/dev/${name}`);
  for (const path of characters) {
    const number = await files.text(`${path}/dev`);
    if (number !== undefined) nodes.push(`c${number}`);
  }
  return nodes;
}

/** Who has it open has all devices of the group. */
export function groupNode({ number }: IommuGroup): string {
  return `/dev/vfio/${String(number)}`;
}
