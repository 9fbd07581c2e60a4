/**
 * A machine that is made up: its /sys, /proc and /run in a folder of the test's own, and a kernel
 * that does what is written to it, as far as drivers of PCI devices are concerned.
 */

import {
  constants,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { MachineFiles, type OpenNode } from '../../../src/device/machine-files.js';

export function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: refused`), { code });
}

export interface MadeDevice {
  readonly address: string;
  readonly classCode?: string;
  readonly driver?: string | null;
  /** Null: it is behind no IOMMU. */
  readonly group?: number | null;
  readonly override?: string;
}

export interface MadeBlock {
  readonly number: string;
  readonly sectors?: number;
  readonly holders?: readonly string[];
  /** By name: their numbers. */
  readonly partitions?: Readonly<Record<string, string>>;
}

const DEVICES = '/sys/bus/pci/devices';

export class MadeMachine extends MachineFiles {
  readonly folder: string;
  /** What the kernel was told. */
  readonly written: string[] = [];
  /** Files that cannot be written, and nodes that cannot be opened: the name of errno. */
  readonly refused = new Map<string, string>();
  /** Drivers that take no device. */
  readonly broken = new Set<string>();
  /** What somebody in the kernel has alone: nobody else gets it so. */
  readonly taken = new Set<string>();
  /** Nodes of devices, and links of /proc that lead to them. */
  readonly numbers = new Map<string, string>();
  /** Nodes that are open alone now. */
  readonly claimed = new Set<string>();
  /** Nodes that were open alone when a driver let go, and when one was asked to take a device. */
  readonly claimedAtUnbind: string[] = [];
  readonly claimedAtProbe: string[] = [];

  constructor(folder: string) {
    super(folder);
    this.folder = folder;
    this.put('/proc/self/mountinfo', '');
    this.put('/proc/swaps', 'Filename\tType\tSize\tUsed\tPriority\n');
    for (const driver of ['nvme', 'vfio-pci'])
      this.put(`/sys/bus/pci/drivers/${driver}/unbind`, '');
    this.put('/sys/bus/pci/drivers_probe', '');
    this.take('/proc/self/ns/pid');
    this.point('/proc/self/ns/pid', 'pid:[4026531836]');
    for (const path of [DEVICES, '/proc/1/fd', '/run'])
      mkdirSync(join(folder, path), { recursive: true });
  }

  /** A file with a text. */
  put(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  /** A symbolic link. */
  point(path: string, target: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    symlinkSync(target, join(this.folder, path));
  }

  take(path: string): void {
    rmSync(join(this.folder, path), { recursive: true, force: true });
  }

  addDevice({ address, classCode = '010802', driver = 'nvme', group = 7, override }: MadeDevice) {
    const folder = `${DEVICES}/${address}`;
    this.put(`${folder}/class`, `0x${classCode}\n`);
    this.put(`${folder}/vendor`, '0x144d\n');
    this.put(`${folder}/device`, '0xa808\n');
    this.put(`${folder}/numa_node`, '-1\n');
    this.put(`${folder}/driver_override`, `${override ?? '(null)'}\n`);
    if (driver !== null) this.point(`${folder}/driver`, `../../../bus/pci/drivers/${driver}`);
    if (group === null) return;
    const groupFolder = `/sys/kernel/iommu_groups/${String(group)}`;
    this.put(`${groupFolder}/type`, 'DMA\n');
    this.point(`${folder}/iommu_group`, `../../../../kernel/iommu_groups/${String(group)}`);
    this.point(`${groupFolder}/devices/${address}`, `../../../..${folder.slice('/sys'.length)}`);
  }

  /** What the kernel's driver makes of a device. */
  addController(address: string, name: string, namespaces: readonly string[]): void {
    const folder = `${DEVICES}/${address}/nvme/${name}`;
    this.put(`${folder}/model`, 'Example SSD 1TB                         \n');
    this.put(`${folder}/serial`, 'S1                  \n');
    this.put(`${folder}/firmware_rev`, '1.0     \n');
    this.put(`${folder}/state`, 'live\n');
    this.put(`${folder}/subsysnqn`, 'nqn.2026-11.com.example:drive\n');
    this.put(`${folder}/dev`, '242:0\n');
    for (const namespace of namespaces) this.put(`${folder}/${namespace}/uevent`, '');
  }

  addBlock(
    name: string,
    { number, sectors = 2048, holders = [], partitions = {} }: MadeBlock,
  ): void {
    const folder = `/sys/class/block/${name}`;
    this.put(`${folder}/dev`, `${number}\n`);
    this.numbers.set(`/dev/${name}`, `b${number}`);
    this.put(`${folder}/size`, `${String(sectors)}\n`);
    this.put(`${folder}/queue/logical_block_size`, '512\n');
    for (const holder of holders) this.put(`${folder}/holders/${holder}/dev`, '');
    for (const [partition, own] of Object.entries(partitions)) {
      this.put(`${folder}/${partition}/partition`, '1\n');
      this.addBlock(partition, { number: own });
    }
  }

  /** Says what one partition, or disk, has on top. */
  hold(name: string, holder: string): void {
    this.put(`/sys/class/block/${name}/holders/${holder}/dev`, '');
  }

  /** A process with an open file; `number` of the node that it is. */
  addProcess(pid: number, command: string, target: string, number?: string): void {
    this.put(`/proc/${String(pid)}/comm`, `${command}\n`);
    const link = `/proc/${String(pid)}/fd/3`;
    this.point(link, target);
    if (number !== undefined) this.numbers.set(link, number);
  }

  /** What happens meanwhile. */
  onUnbind: () => void = () => undefined;

  /** What names the drive as reached by all of these controllers. */
  addSubsystem(name: string, controllers: Readonly<Record<string, string | null>>): void {
    for (const [controller, address] of Object.entries(controllers)) {
      const folder = `/sys/class/nvme-subsystem/${name}/${controller}`;
      this.put(`${folder}/transport`, address === null ? 'tcp\n' : 'pcie\n');
      this.put(`${folder}/address`, `${address ?? 'traddr=192.0.2.1,trsvcid=4420'}\n`);
    }
  }

  driverOf(address: string): string | null {
    try {
      return basename(readlinkSync(join(this.folder, DEVICES, address, 'driver')));
    } catch {
      return null;
    }
  }

  override async deviceNumber(path: string): Promise<string | undefined> {
    return this.numbers.get(path);
  }

  override async open(path: string, flags: number): Promise<OpenNode> {
    const code = this.refused.get(path);
    if (code !== undefined) throw systemError(code);
    const isAlone = (flags & constants.O_EXCL) !== 0;
    if (isAlone && (this.taken.has(path) || this.claimed.has(path))) throw systemError('EBUSY');
    if (isAlone) this.claimed.add(path);
    return {
      number: this.numbers.get(path),
      close: async () => {
        if (isAlone) this.claimed.delete(path);
      },
    };
  }

  override async mayUse(path: string): Promise<boolean> {
    return !this.refused.has(path);
  }

  override async write(path: string, value: string): Promise<void> {
    const code = this.refused.get(path);
    if (code !== undefined) throw systemError(code);
    this.written.push(`${value.trim()} > ${path}`);
    if (path.endsWith('/driver_override')) {
      this.put(path, `${value.trim() === '' ? '(null)' : value}\n`);
    } else if (path.endsWith('/unbind')) {
      this.#unbind(basename(dirname(path)), value.trim());
    } else {
      this.#probe(value.trim());
    }
  }

  #unbind(driver: string, address: string): void {
    if (this.driverOf(address) !== driver) throw systemError('ENODEV');
    this.claimedAtUnbind.push(...this.claimed);
    this.take(`${DEVICES}/${address}/driver`);
    this.onUnbind();
  }

  #probe(address: string): void {
    this.claimedAtProbe.push(...this.claimed);
    if (this.driverOf(address) !== null) return;
    const folder = `${DEVICES}/${address}`;
    const override = readFileSync(join(this.folder, folder, 'driver_override'), 'utf8').trim();
    const driver = override === '(null)' ? 'nvme' : override;
    if (this.broken.has(driver)) return;
    this.point(`${folder}/driver`, `../../../bus/pci/drivers/${driver}`);
  }
}

export const ADDRESS = '0000:01:00.0';

/**
 * One drive with the kernel's driver, in a group of its own, and one namespace with a partition.
 */
export function machineWithDrive(folder: string): MadeMachine {
  const machine = new MadeMachine(folder);
  machine.addDevice({ address: ADDRESS });
  machine.addController(ADDRESS, 'nvme0', ['nvme0n1']);
  machine.addBlock('nvme0n1', { number: '259:0', partitions: { nvme0n1p1: '259:1' } });
  return machine;
}
