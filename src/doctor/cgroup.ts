/**
 * What the control groups of this process allow: its own, and all above it, of which the lowest
 * limit counts. Both versions may be there, each with some of the controllers.
 */

import type { MachineFiles } from '../device/machine-files.js';
import { MOUNT_TABLE_BYTES_MAX } from '../device/processes.js';

export interface CgroupLimits {
  /** Processors' worth of time; Infinity: no limit. */
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  /** Processes and threads. */
  readonly tasks: number;
}

/** Version 1 says so where there is no limit: a number of pages that nobody has. */
const NO_LIMIT_BYTES = 2 ** 60;

export async function cgroupLimits(files: MachineFiles): Promise<CgroupLimits> {
  const limits = { cpus: Infinity, memory: Infinity, tasks: Infinity };
  for (const folder of await folders(files)) {
    const number = async (name: string) => numberOf(await files.text(`${folder}/${name}`));
    const memory = Math.min(await number('memory.max'), await number('memory.limit_in_bytes'));
    limits.cpus = Math.min(limits.cpus, await cpusOf(files, folder));
    limits.memory = Math.min(limits.memory, memory < NO_LIMIT_BYTES ? memory : Infinity);
    limits.tasks = Math.min(limits.tasks, await number('pids.max'));
  }
  return limits;
}

/** `max`, and what is not there: no limit. */
function numberOf(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : Infinity;
}

async function cpusOf(files: MachineFiles, folder: string): Promise<number> {
  const [quota, period] = ((await files.text(`${folder}/cpu.max`)) ?? '').split(' ');
  const old = numberOf(await files.text(`${folder}/cpu.cfs_quota_us`));
  const oldPeriod = numberOf(await files.text(`${folder}/cpu.cfs_period_us`));
  return Math.min(share(numberOf(quota), numberOf(period)), share(old, oldPeriod));
}

function share(quota: number, period: number): number {
  return quota === Infinity || period === Infinity ? Infinity : quota / period;
}

interface Hierarchy {
  /** Of version 1; empty: version 2. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/** Of each hierarchy, from our group up to where it is mounted. */
async function folders(files: MachineFiles): Promise<string[]> {
  const groups = ((await files.text('/proc/self/cgroup')) ?? '').split('\n').flatMap(hierarchyOf);
  const mounts = (await files.text('/proc/self/mountinfo', MOUNT_TABLE_BYTES_MAX)) ?? '';
  const found = mounts.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , root = '', point = ''] = left.split(' ');
    const [type, , options = ''] = right.split(' ');
    const names = options.split(',');
    const group = groups.find(({ controllers }) =>
      type === 'cgroup2'
        ? controllers.length === 0
        : type === 'cgroup' && controllers.some((name) => names.includes(name)),
    );
    return group === undefined ? [] : upward(point, below(root, group.path));
  });
  return [...new Set(found)];
}

/** `4:memory:/user.slice`, `0::/user.slice` */
function hierarchyOf(line: string): Hierarchy[] {
  const [, names, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
  if (names === undefined || path === undefined) return [];
  return [{ controllers: names === '' ? [] : names.split(','), path }];
}

/** Of the part of the hierarchy that is mounted, which begins at `root`. */
function below(root: string, path: string): string[] {
  const rest = root === '/' ? path : path.startsWith(root) ? path.slice(root.length) : '';
  return rest.split('/').filter((name) => name !== '' && name !== '..');
}

function upward(point: string, names: readonly string[]): string[] {
  return [...names.keys(), names.length].map((count) =>
    [point, ...names.slice(0, count)].join('/'),
  );
}
