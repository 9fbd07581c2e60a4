/**
 * The NVMe devices of this machine and who uses them, in the words of `capsuled device list --json`
 * and `GET /v1/devices`.
 */

import { FormerDrivers } from './former-drivers.js';
import { type Holder, holdersOf, partitionsOf } from './holders.js';
import { MachineFiles } from './machine-files.js';
import { type NvmeDevice, findNvme, readFound } from './pci-device.js';
import { LINKS_MAX, type Usage, readUsage } from './usage.js';

export interface DeviceView {
  readonly address: string;
  readonly vendor: string;
  readonly device: string;
  readonly model: string | null;
  readonly serial: string | null;
  readonly firmware: string | null;
  readonly controller: string | null;
  readonly state: string | null;
  readonly subnqn: string | null;
  readonly namespaces: { name: string; nsid: number; block_size: number; size: number }[];
  readonly size: number | null;
  readonly driver: string | null;
  readonly driver_override: string | null;
  readonly former_driver: string | null;
  readonly iommu_group: number | null;
  readonly group_devices: { address: string; class: string; driver: string | null }[];
  readonly numa_node: number | null;
  readonly in_use_by: Holder[];
  readonly in_use_by_is_whole: boolean;
}

/** A bdev of this daemon that drives a device by itself, or has a block device of it. */
export interface DeviceBdev {
  readonly name: string;
  /** Of the device; null: it drives none. */
  readonly address: string | null;
  /** Of the block device, `259:0`; null: it has none. */
  readonly number: string | null;
}

export interface DeviceListOptions {
  readonly files?: MachineFiles;
  readonly former?: FormerDrivers;
  /** Open files of other processes that are looked at. */
  readonly linksMax?: number;
  readonly bdevs?: () => readonly DeviceBdev[];
}

export class DeviceList {
  readonly #files: MachineFiles;
  readonly #former: FormerDrivers;
  readonly #linksMax: number;
  readonly #bdevs: () => readonly DeviceBdev[];
  /** What is being read: whoever asks meanwhile gets the same. */
  #reading: Promise<DeviceView[]> | undefined;

  constructor({ files, former, linksMax, bdevs }: DeviceListOptions = {}) {
    this.#files = files ?? new MachineFiles();
    this.#former = former ?? new FormerDrivers(this.#files);
    this.#linksMax = linksMax ?? LINKS_MAX;
    this.#bdevs = bdevs ?? (() => []);
  }

  /** Throws if the machine does not show what it has. */
  read(): Promise<DeviceView[]> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<DeviceView[]> {
    const { found } = await findNvme(this.#files);
    if (found.length === 0) return [];
    const usage = await readUsage(this.#files, this.#linksMax);
    const views: DeviceView[] = [];
    for (const address of found) {
      const device = await readFound(this.#files, address);
      if (device !== undefined) views.push(await this.view(device, usage));
    }
    return views;
  }

  async view(device: NvmeDevice, usage: Usage): Promise<DeviceView> {
    const former = device.controller === null ? await this.#former.recall(device) : null;
    const names = device.names ?? former?.names ?? null;
    const sizes = device.namespaces.map(({ size }) => size);
    return {
      address: device.address,
      vendor: device.vendor,
      device: device.device,
      model: orNull(names?.model),
      serial: orNull(names?.serial),
      firmware: orNull(names?.firmware),
      controller: device.controller?.name ?? null,
      state: device.controller?.state ?? null,
      subnqn: device.controller?.subnqn ?? null,
      namespaces: device.namespaces.map(({ name, nsid, blockSize, size }) => ({
        ...{ name, nsid, block_size: blockSize, size },
      })),
      size: device.controller === null ? null : sizes.reduce((sum, size) => sum + size, 0),
      driver: device.driver,
      driver_override: device.driverOverride,
      former_driver: former?.driver ?? null,
      iommu_group: device.group?.number ?? null,
      group_devices: (device.group?.others ?? []).map(({ address, classCode, driver }) => ({
        ...{ address, class: classCode.toString(16).padStart(6, '0'), driver },
      })),
      numa_node: device.numaNode,
      in_use_by: [
        ...(await this.#ownHolders(device)),
        ...(await holdersOf(this.#files, device, usage)),
      ],
      in_use_by_is_whole: usage.isWhole,
    };
  }

  async #ownHolders({ address, namespaces }: NvmeDevice): Promise<Holder[]> {
    const bdevs = this.#bdevs();
    const holders: Holder[] = [];
    for (const { name } of bdevs.filter((bdev) => bdev.address === address)) {
      const text = `${address} is driven by bdev ${name} of this daemon`;
      holders.push({ kind: 'bdev', device: address, text });
    }
    for (const { name } of bdevs.length === 0 ? [] : namespaces) {
      for (const block of [name, ...(await partitionsOf(this.#files, name))]) {
        const number = await this.#files.text(`/sys/class/block/${block}/dev`);
        for (const bdev of bdevs.filter((one) => one.number !== null && one.number === number)) {
          const text = `${block} is behind bdev ${bdev.name} of this daemon`;
          holders.push({ kind: 'bdev', device: block, text });
        }
      }
    }
    return holders;
  }
}

function orNull(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}
