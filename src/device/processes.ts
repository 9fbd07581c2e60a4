/**
 * What processes have open, as far as /proc shows it to this user, and the mount tables that they
 * see. How much is looked at is bounded: there may be very many of both.
 */

import { type MachineFiles, unlessUnseen } from './machine-files.js';

/** One open file: where its link in /proc is, and what that says. */
export interface OpenFile {
  readonly pid: number;
  readonly path: string;
  readonly target: string;
}

/** What a process sees of the machine. */
export interface MountTable {
  readonly pid: number;
  readonly text: string;
}

/** How many links are asked for at a time. */
const TOGETHER = 64;
const MOUNT_TABLES_MAX = 256;
/** More than a command line may have. */
const COMMAND_BYTES_MAX = 8 << 20;
export const MOUNT_TABLE_BYTES_MAX = 8 << 20;
/** Of all that belong to others. */
const OTHER_MOUNT_TABLES_BYTES_MAX = 32 << 20;
/** As the kernel numbers the PID namespace in which all processes are. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';
/** Something is there, and cannot be looked at. */
const UNSEEN: unique symbol = Symbol('unseen');

/**
 * Whether this process is shown that there are all the others, which it is not in a container, nor
 * where /proc is mounted with hidepid.
 */
export async function seesAllProcesses(files: MachineFiles): Promise<boolean> {
  const namespace = await linkOf(files, '/proc/self/ns/pid');
  if (namespace !== FIRST_PID_NAMESPACE) return false;
  return unlessUnseen(false, () => files.isThere('/proc/1/fd'));
}

/**
 * Calls `visit` for the open files of all other processes; true: for every one of them. This
 * process itself is left out.
 */
export async function walkOpenFiles(
  files: MachineFiles,
  linksMax: number,
  visit: (file: OpenFile) => Promise<void>,
): Promise<boolean> {
  let isWhole = true;
  let left = linksMax;
  for (const pid of await processes(files)) {
    const links = await unlessUnseen(undefined, () => files.names(`/proc/${pid}/fd`));
    if (links === undefined || links.length > left) {
      isWhole = false;
      continue;
    }
    left -= links.length;
    for (let from = 0; from < links.length; from += TOGETHER) {
      const paths = links.slice(from, from + TOGETHER).map((link) => `/proc/${pid}/fd/${link}`);
      const targets = await Promise.all(paths.map((path) => linkOf(files, path)));
      for (const [index, target] of targets.entries()) {
        if (target === UNSEEN) isWhole = false;
        if (typeof target !== 'string') continue;
        await visit({ pid: Number(pid), path: paths[index] ?? '', target });
      }
    }
  }
  return isWhole;
}

/**
 * Calls `visit` with one table of each of the other mount namespaces; true: of every one. And what
 * the first process sees: this one may be in a folder of it (chroot). How large the tables are is
 * up to whoever mounts, which any user may do in a namespace of his own.
 */
export async function walkMountTables(
  files: MachineFiles,
  visit: (table: MountTable) => Promise<void>,
): Promise<boolean> {
  const seen = new Set([await linkOf(files, '/proc/self/ns/mnt')]);
  let isWhole = true;
  let count = 0;
  let left = OTHER_MOUNT_TABLES_BYTES_MAX;
  for (const pid of await processes(files)) {
    const namespace = await linkOf(files, `/proc/${pid}/ns/mnt`);
    if (namespace === UNSEEN) isWhole = false;
    if (typeof namespace !== 'string') continue;
    if (seen.has(namespace) && pid !== '1') continue;
    if (count >= MOUNT_TABLES_MAX) return false;
    const text = await unlessUnseen(UNSEEN, () =>
      files.text(`/proc/${pid}/mountinfo`, Math.min(left, MOUNT_TABLE_BYTES_MAX)),
    );
    if (text === UNSEEN) isWhole = false;
    if (typeof text !== 'string') continue;
    seen.add(namespace);
    count += 1;
    left -= text.length;
    await visit({ pid: Number(pid), text });
  }
  return isWhole;
}

/** `process 812 (qemu-system-x86)`, `process 44 (capsuled serve)`, or without its name. */
export async function processText(files: MachineFiles, pid: number): Promise<string> {
  const command = await commandOf(files, pid);
  return `process ${String(pid)}${command === '' ? '' : ` (${command})`}`;
}

async function processes(files: MachineFiles): Promise<string[]> {
  const own = String(process.pid);
  const names = await files.names('/proc');
  return names.filter((name) => /^\d+$/.test(name) && name !== own);
}

/** Undefined: it is closed. */
function linkOf(files: MachineFiles, path: string): Promise<string | typeof UNSEEN | undefined> {
  return unlessUnseen(UNSEEN, () => files.link(path));
}

/**
 * `qemu-system-x86`, `capsuled serve`; empty: not known. Asked only of those that are to be named,
 * for a process can keep whoever reads its command line waiting.
 */
export async function commandOf(files: MachineFiles, pid: number): Promise<string> {
  const path = `/proc/${String(pid)}`;
  const name = (await unlessUnseen(undefined, () => files.text(`${path}/comm`))) ?? '';
  if (!/^(node|MainThread|capsuled)$/.test(name)) return name;
  const read = () => files.text(`${path}/cmdline`, COMMAND_BYTES_MAX);
  const words = (await unlessUnseen(undefined, read)) ?? '';
  const [, command] = /(?:^|[/\0])(?:capsuled|main\.js)\0([a-z]+)/.exec(words) ?? [];
  return command === undefined ? name : `capsuled ${command}`;
}
