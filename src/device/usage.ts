/**
 * What this machine uses block devices for, read once for all of them: mounts, swap, loop devices,
 * exports of the kernel's own targets, btrfs, and what processes have open.
 */

import { type MachineFiles, unlessUnseen } from './machine-files.js';
import { type Mount, readMounts, unescaped } from './mounts.js';
import { NodeNumbers } from './node-numbers.js';
import { seesAllProcesses, walkOpenFiles } from './processes.js';

/** Somebody who uses a device by its path. */
interface PathUse {
  readonly path: string;
  /** As {@link MachineFiles.deviceNumber}. */
  readonly number: string | undefined;
  /** `loop0`, `nqn.2026-11.com.example:a, namespace 1`, `iblock_0/disk` */
  readonly by: string;
}

export interface Usage {
  readonly mounts: readonly Mount[];
  readonly swaps: readonly string[];
  readonly loops: readonly PathUse[];
  /** Namespaces and controllers that the kernel's own NVMe target exports. */
  readonly nvmet: readonly PathUse[];
  /** Backstores of the kernel's own SCSI target. */
  readonly lio: readonly PathUse[];
  /** UUIDs of mounted file systems by the names of their block devices. */
  readonly btrfs: ReadonlyMap<string, string>;
  /** Processes by node: `b259:0`, `c242:0`, `/dev/vfio/12`. */
  readonly openers: ReadonlyMap<string, ReadonlySet<number>>;
  /** False: there are processes, or parts of the machine, that could not be looked at. */
  readonly isWhole: boolean;
}

/** Open files that are looked at. */
export const LINKS_MAX = 1 << 20;

export async function readUsage(files: MachineFiles, linksMax = LINKS_MAX): Promise<Usage> {
  const numbers = new NodeNumbers(files);
  const { mounts, isWhole: areMountsWhole } = await readMounts(files);
  const swaps = await readSwaps(files);
  const nvmet = await unlessUnseen(undefined, () => readNvmet(files, numbers));
  const lio = await unlessUnseen(undefined, () => readLio(files, numbers));
  const loops = await readLoops(files, numbers);
  const btrfs = await readBtrfs(files);
  const { openers, isWhole: areOpenersWhole } = await readOpeners(files, numbers, linksMax);
  const areParts = nvmet !== undefined && lio !== undefined && numbers.isWhole;
  const isWhole = areMountsWhole && areOpenersWhole && areParts && (await seesAllProcesses(files));
  return { mounts, swaps, loops, nvmet: nvmet ?? [], lio: lio ?? [], btrfs, openers, isWhole };
}

async function readSwaps(files: MachineFiles): Promise<string[]> {
  const [, ...lines] = ((await files.text('/proc/swaps')) ?? '').split('\n');
  return lines.map((line) => unescaped(line.split(/\s/)[0] ?? ''));
}

async function readLoops(files: MachineFiles, numbers: NodeNumbers): Promise<PathUse[]> {
  const loops: PathUse[] = [];
  for (const by of await files.names('/sys/class/block')) {
    if (!/^loop\d+$/.test(by)) continue;
    const path = await files.text(`/sys/class/block/${by}/loop/backing_file`);
    if (path !== undefined) loops.push({ path, number: await numbers.numberOf(path), by });
  }
  return loops;
}

const NVMET = '/sys/kernel/config/nvmet/subsystems';

async function readNvmet(files: MachineFiles, numbers: NodeNumbers): Promise<PathUse[]> {
  const exports: PathUse[] = [];
  for (const nqn of await files.names(NVMET)) {
    const namespaces = await files.names(`${NVMET}/${nqn}/namespaces`);
    const places = [...namespaces.map((nsid) => `namespaces/${nsid}`), 'passthru'];
    for (const place of places) {
      const folder = `${NVMET}/${nqn}/${place}`;
      if ((await files.text(`${folder}/enable`)) !== '1') continue;
      const path = (await files.text(`${folder}/device_path`)) ?? '';
      const by = `${nqn}, ${place.replace('spaces/', 'space ')}`;
      exports.push({ path, number: await numbers.numberOf(path), by });
    }
  }
  return exports;
}

const LIO = '/sys/kernel/config/target/core';

async function readLio(files: MachineFiles, numbers: NodeNumbers): Promise<PathUse[]> {
  const backstores: PathUse[] = [];
  for (const adapter of await files.names(LIO)) {
    for (const name of await files.names(`${LIO}/${adapter}`)) {
      const by = `${adapter}/${name}`;
      const folder = `${LIO}/${by}`;
      if ((await files.text(`${folder}/enable`)) !== '1') continue;
      // Not everybody sets the one; the other is of files, which may be block devices.
      const [, file = ''] = /\bFile: (\S+)/.exec((await files.text(`${folder}/info`)) ?? '') ?? [];
      for (const path of new Set([(await files.text(`${folder}/udev_path`)) ?? '', file])) {
        if (path !== '') backstores.push({ path, number: await numbers.numberOf(path), by });
      }
    }
  }
  return backstores;
}

async function readBtrfs(files: MachineFiles): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const uuid of await files.names('/sys/fs/btrfs')) {
    for (const name of await files.names(`/sys/fs/btrfs/${uuid}/devices`)) found.set(name, uuid);
  }
  return found;
}

async function readOpeners(files: MachineFiles, numbers: NodeNumbers, linksMax: number) {
  const openers = new Map<string, Set<number>>();
  const names = await driverNodes(files);
  const isWhole = await walkOpenFiles(files, linksMax, async ({ pid, path, target }) => {
    const number = await numbers.numberOf(path, target);
    const byName = /^\/dev\/(vfio\/|uio)/.test(target) ? target : undefined;
    const node = names.get(number ?? '') ?? byName ?? number;
    if (node === undefined) return;
    const pids = openers.get(node) ?? new Set();
    openers.set(node, pids.add(pid));
  });
  return { openers, isWhole };
}

/**
 * Nodes by which drivers hand out devices, by their numbers: a process may have them by other
 * names, in a folder of its own.
 */
async function driverNodes(files: MachineFiles): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const [kind, folder] of [
    ['vfio', '/dev/vfio'],
    ['vfio-dev', '/dev/vfio/devices'],
    ['uio', '/dev'],
  ] as const) {
    for (const name of await files.names(`/sys/class/${kind}`)) {
      const number = await files.text(`/sys/class/${kind}/${name}/dev`);
      if (number !== undefined) names.set(`c${number}`, `${folder}/${name}`);
    }
  }
  return names;
}
