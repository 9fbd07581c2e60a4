/**
 * The block devices of drives that are about to be given away, opened so that nothing that wants
 * them alone can begin to use them meanwhile: no mount, no swap, no array. A process that merely
 * opens one is not kept from it. A drive of several controllers has one block device for all of
 * them, which stays claimed until the last of those that are given away has let go of it.
 */

import { constants } from 'node:fs';
import { TargetError } from '../errors.js';
import { fileReason } from '../system-error.js';
import { contentsOf, inUse, nodePath, partitionsOf } from './holders.js';
import { type MachineFiles, type OpenNode, isRefusal } from './machine-files.js';
import type { NvmeDevice } from './pci-device.js';

/**
 * The kernel lets nobody in who asks for a block device alone while somebody has it, or a part of
 * it, alone; and nobody else who does so after that.
 */
export const CLAIM = constants.O_RDONLY | constants.O_EXCL;

interface Claim {
  readonly node: OpenNode;
  /** Addresses of the controllers by which it is reached. */
  readonly users: Set<string>;
}

export class Claims {
  readonly #files: MachineFiles;
  /** By the names of the block devices. */
  readonly #claims = new Map<string, Claim>();

  constructor(files: MachineFiles) {
    this.#files = files;
  }

  /**
   * Of all namespaces that are not claimed yet. Throws who has one of them, or why that cannot be
   * seen.
   */
  async take({ address, namespaces }: NvmeDevice): Promise<void> {
    for (const { name, isHidden } of namespaces) {
      const known = this.#claims.get(name);
      known?.users.add(address);
      if (known !== undefined || isHidden) continue;
      const node = await claim(this.#files, address, name);
      if (node !== undefined) this.#claims.set(name, { node, users: new Set([address]) });
    }
  }

  async release(address: string): Promise<void> {
    for (const [name, { node, users }] of this.#claims) {
      if (!users.delete(address) || users.size > 0) continue;
      this.#claims.delete(name);
      await node.close().catch(() => undefined);
    }
  }

  async releaseAll(): Promise<void> {
    for (const { users } of [...this.#claims.values()]) {
      for (const address of [...users]) await this.release(address);
    }
  }
}

/** Undefined: nobody can use it. */
async function claim(
  files: MachineFiles,
  address: string,
  name: string,
): Promise<OpenNode | undefined> {
  const path = nodePath(name);
  const number = `b${(await files.text(`/sys/class/block/${name}/dev`)) ?? ''}`;
  let node: OpenNode;
  try {
    node = await files.open(path, CLAIM);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EBUSY') throw inUse(address, await claimants(files, name));
    if (isRefusal(code)) throw mayNotLook(address, path, thrown);
    // A namespace without blocks, or one that has failed.
    const isUseless = code === 'ENXIO' || code === 'ENOMEDIUM';
    if (isUseless && (await files.deviceNumber(path)) === number) return undefined;
    const why = isUseless
      ? anotherText(path, number)
      : `${path} cannot be opened: ${fileReason(thrown)}`;
    throw unseen(address, name, why, thrown);
  }
  // In a container, a node of that name may be of another disk, or none at all.
  if (node.number === number) return node;
  await node.close().catch(() => undefined);
  throw unseen(address, name, anotherText(path, number));
}

function anotherText(path: string, number: string): string {
  return `${path} is not the block device ${number.slice(1)}`;
}

function unseen(address: string, name: string, why: string, cause?: unknown): TargetError {
  return new TargetError(
    'device_failed',
    `${address}: whether ${name} is in use cannot be seen, because ${why}`,
    { cause },
  );
}

function mayNotLook(address: string, path: string, thrown: unknown): TargetError {
  return new TargetError(
    'forbidden',
    `${address}: whether it is in use cannot be seen, because ${path} may not be opened by this ` +
      "user; the operator's udev rule can allow it (docs/operating/devices.md)",
    { cause: thrown },
  );
}

/** Something in the kernel, which shows nowhere else. The partition is named if it is one. */
async function claimants(files: MachineFiles, name: string): Promise<string[]> {
  const texts: string[] = [];
  for (const block of await partitionsOf(files, name)) {
    const node = await files.open(nodePath(block), CLAIM).catch((thrown: unknown) => thrown);
    if ((node as NodeJS.ErrnoException).code === 'EBUSY') texts.push(await claimText(files, block));
    else if (!(node instanceof Error)) await (node as OpenNode).close();
  }
  return texts.length > 0 ? texts : [await claimText(files, name)];
}

async function claimText(files: MachineFiles, block: string): Promise<string> {
  const number = (await files.text(`/sys/class/block/${block}/dev`)) ?? '';
  const { type, label } = (await contentsOf(files, number)) ?? { type: '', label: '' };
  if (type === 'zfs_member') return `${block} is part of ZFS${label === '' ? '' : ` (${label})`}`;
  const holds = type === '' ? '' : `; it holds ${type}`;
  return `${block} is claimed by something that does not show who it is${holds}`;
}
