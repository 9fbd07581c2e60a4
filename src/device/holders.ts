/**
 * Who uses an NVMe device: what stands on its block devices and their partitions, and which
 * processes have it open. Each is said with what it holds, so that an operator knows what to end.
 */

import { TargetError } from '../errors.js';
import { listed } from '../listed.js';
import type { MachineFiles } from './machine-files.js';
import type { NvmeDevice } from './pci-device.js';
import type { Mount } from './mounts.js';
import { processText } from './processes.js';
import type { Usage } from './usage.js';

export const holderKinds = [
  'bcache',
  'bdev',
  'block_device',
  'btrfs',
  'crypt',
  'device_mapper',
  'lio',
  'loop',
  'lvm',
  'md',
  'mount',
  'multipath',
  'nvmet',
  'process',
  'swap',
  'zfs',
] as const;

export type HolderKind = (typeof holderKinds)[number];

export interface Holder {
  readonly kind: HolderKind;
  /** What it holds: `nvme0n1p1`, `/dev/vfio/12`. */
  readonly device: string;
  /** `nvme0n1p1 is mounted at /boot` */
  readonly text: string;
}

/** What a block device is used for, in words behind its name: `is mounted at /boot`. */
interface Use {
  readonly kind: HolderKind;
  readonly words: string;
}

/** Block devices may stand on each other; the kernel keeps them from standing on themselves. */
const DEPTH_MAX = 8;

/** Of all its namespaces. */
export async function holdersOf(
  files: MachineFiles,
  device: Pick<NvmeDevice, 'namespaces' | 'nodes'>,
  usage: Usage,
): Promise<Holder[]> {
  const holders: Holder[] = [];
  for (const { name } of device.namespaces) {
    for (const block of [name, ...(await partitionsOf(files, name))]) {
      for (const { kind, words } of await usesOf(files, block, usage, 0)) {
        holders.push({ kind, device: block, text: `${block} ${words}` });
      }
    }
  }
  for (const node of device.nodes) {
    const what = node.startsWith('/') ? node : 'the controller';
    for (const { by } of usage.nvmet.filter(({ number }) => number === node)) {
      holders.push({ kind: 'nvmet', device: what, text: `${what} ${exportText(by)}` });
    }
    for (const pid of usage.openers.get(node) ?? []) {
      const text = `${what} is open in ${await processText(files, pid)}`;
      holders.push({ kind: 'process', device: what, text });
    }
  }
  return holders;
}

/** Why it cannot change hands. */
export function inUse(address: string, texts: readonly string[]): TargetError {
  return new TargetError('in_use', `${address} is in use: ${listed(texts).join('; ')}`);
}

function exportText(by: string): string {
  return `is exported by the kernel's target (${by})`;
}

export async function partitionsOf(files: MachineFiles, name: string): Promise<string[]> {
  const partitions: string[] = [];
  for (const entry of await files.names(`/sys/class/block/${name}`)) {
    if (!entry.startsWith(name)) continue;
    if (await files.isThere(`/sys/class/block/${name}/${entry}/partition`)) partitions.push(entry);
  }
  return partitions;
}

async function usesOf(
  files: MachineFiles,
  name: string,
  usage: Usage,
  depth: number,
): Promise<Use[]> {
  const folder = `/sys/class/block/${name}`;
  const number = (await files.text(`${folder}/dev`)) ?? '';
  const paths = await pathsOf(files, name);
  const isIt = (use: { path: string; number: string | undefined }) =>
    paths.includes(use.path) || use.number === `b${number}`;
  const uses: Use[] = await mountUses(files, usage.mounts, number, paths);
  if (usage.swaps.some((path) => paths.includes(path))) {
    uses.push({ kind: 'swap', words: 'is swapped on' });
  }
  const btrfs = usage.btrfs.get(name);
  if (btrfs !== undefined) {
    uses.push({ kind: 'btrfs', words: `is part of the mounted btrfs file system ${btrfs}` });
  }
  for (const { by } of usage.loops.filter(isIt)) {
    uses.push({ kind: 'loop', words: `is behind ${by}` });
  }
  for (const { by } of usage.nvmet.filter(isIt)) {
    uses.push({ kind: 'nvmet', words: exportText(by) });
  }
  for (const { by } of usage.lio.filter(isIt)) {
    uses.push({ kind: 'lio', words: `is exported by the kernel's SCSI target (${by})` });
  }
  for (const pid of usage.openers.get(`b${number}`) ?? []) {
    uses.push({ kind: 'process', words: `is open in ${await processText(files, pid)}` });
  }
  uses.push(...(await stackUses(files, name, usage, depth)));
  const pool = await importedPool(files, number);
  if (pool !== undefined) uses.push({ kind: 'zfs', words: `is part of the ZFS pool ${pool}` });
  return uses;
}

/** One for each place, however many mount namespaces see it. */
async function mountUses(
  files: MachineFiles,
  mounts: readonly Mount[],
  number: string,
  paths: readonly string[],
): Promise<Use[]> {
  const words = new Map<string, string>();
  for (const { number: mounted, source, point, seenBy } of mounts) {
    if ((mounted !== number && !paths.includes(source)) || words.has(point)) continue;
    const where =
      seenBy === null ? '' : ` in the mount namespace of ${await processText(files, seenBy)}`;
    words.set(point, `is mounted at ${point}${where}`);
  }
  return [...words.values()].map((text) => ({ kind: 'mount', words: text }));
}

/** As others may name it. */
async function pathsOf(files: MachineFiles, name: string): Promise<string[]> {
  const mapped = await files.text(`/sys/class/block/${name}/dm/name`);
  return [nodePath(name), ...(mapped === undefined ? [] : [`/dev/mapper/${mapped}`])];
}

/** Of a block device by its name in sysfs, where a slash is written otherwise. */
export function nodePath(name: string): string {
  return `/dev/${name.replaceAll('!', '/')}`;
}

/** Block devices that stand on it, and what those are used for. */
async function stackUses(
  files: MachineFiles,
  name: string,
  usage: Usage,
  depth: number,
): Promise<Use[]> {
  const uses: Use[] = [];
  if (depth >= DEPTH_MAX) return uses;
  for (const upper of await files.names(`/sys/class/block/${name}/holders`)) {
    const { kind, words } = await stacked(files, upper);
    const above: string[] = [];
    for (const block of [upper, ...(await partitionsOf(files, upper))]) {
      for (const use of await usesOf(files, block, usage, depth + 1)) above.push(use.words);
    }
    const tail = above.length === 0 ? '' : `, which ${above.join(' and ')}`;
    uses.push({ kind, words: `is part of ${words}${tail}` });
  }
  // What bcache makes has such a folder, too.
  const isLowest = depth === 0 && uses.length === 0;
  if (isLowest && (await files.isThere(`/sys/class/block/${name}/bcache`))) {
    uses.push({ kind: 'bcache', words: 'is part of bcache' });
  }
  return uses;
}

/** How device mapper's users begin what they call their devices. */
const MAPPED: readonly (readonly [string, HolderKind, string])[] = [
  ['LVM-', 'lvm', 'the LVM volume'],
  ['mpath-', 'multipath', 'the multipath device'],
  ['CRYPT-', 'crypt', 'the encrypted device'],
];

async function stacked(files: MachineFiles, upper: string): Promise<Use> {
  const folder = `/sys/class/block/${upper}`;
  if (await files.isThere(`${folder}/md`)) return { kind: 'md', words: `the md array ${upper}` };
  const mapped = await files.text(`${folder}/dm/name`);
  if (mapped !== undefined) {
    const uuid = (await files.text(`${folder}/dm/uuid`)) ?? '';
    const [, kind = 'device_mapper', what = 'the mapped device'] =
      MAPPED.find(([prefix]) => uuid.startsWith(prefix)) ?? [];
    return { kind, words: `${what} ${mapped} (${upper})` };
  }
  const isBcache = await files.isThere(`${folder}/bcache`);
  return { kind: isBcache ? 'bcache' : 'block_device', words: upper };
}

/** What udev has found on a block device. */
export interface Contents {
  /** `zfs_member`, `LVM2_member`, `ext4` */
  readonly type: string;
  readonly label: string;
}

export async function contentsOf(
  files: MachineFiles,
  number: string,
): Promise<Contents | undefined> {
  const text = (await files.text(`/run/udev/data/b${number}`)) ?? '';
  const type = /^E:ID_FS_TYPE=(.+)$/m.exec(text)?.[1];
  if (type === undefined) return undefined;
  return { type, label: /^E:ID_FS_LABEL=(.+)$/m.exec(text)?.[1] ?? '' };
}

/** A pool that is not imported uses nothing. */
async function importedPool(files: MachineFiles, number: string): Promise<string | undefined> {
  const { type, label = '' } = (await contentsOf(files, number)) ?? {};
  if (type !== 'zfs_member' || !/^[A-Za-z][\w.: -]*$/.test(label)) return undefined;
  return (await files.isThere(`/proc/spl/kstat/zfs/${label}`)) ? label : undefined;
}
