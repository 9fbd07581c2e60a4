/**
 * Disks that misbehave: an ext4 file system of a test's own on a loop device, which can be frozen
 * (whatever writes to it hangs) and shut down (whatever is asked of it fails), and block devices
 * on it. They need root and loop devices; build machines have both.
 *
 * Whatever way a test ends, its file systems are thawed and unmounted and its devices detached.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from './daemon.js';
import type { Teardown } from './daemon.js';

/** Why there are none here; false if there are. As tap's `skip` has it. */
export const noLoopDisks: string | false =
  process.getuid?.() !== 0
    ? 'loop disks need root'
    : existsSync('/dev/loop-control')
      ? false
      : 'loop disks need /dev/loop-control';

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

function tried(command: string, ...args: string[]): void {
  spawnSync(command, args);
}

const ends = new Set<() => void>();
process.on('exit', () => {
  for (const end of [...ends].toReversed()) end();
});

/** Runs `end` when the test ends, or at the latest when the process does. */
function atEnd(t: Teardown, end: () => void): void {
  const once = (): void => {
    if (ends.delete(once)) end();
  };
  ends.add(once);
  t.teardown(once);
}

export class LoopFileSystem {
  /** Where it is mounted. */
  readonly folder: string;

  constructor(t: Teardown, bytes: number) {
    const parent = makeFolder(t);
    const image = join(parent, 'image');
    this.folder = join(parent, 'mounted');
    mkdirSync(this.folder);
    writeFileSync(image, '');
    truncateSync(image, bytes);
    // Nothing is initialized later: a frozen file system would make that hang, too.
    const options = ['-E', 'lazy_itable_init=0,lazy_journal_init=0', '-O', '^has_journal', '-F'];
    run('mkfs.ext4', '-q', ...options, image);
    run('mount', '-o', 'loop', image, this.folder);
    atEnd(t, () => {
      this.thaw();
      // Lazily: a daemon that outlives its test may still have a file open.
      tried('umount', '--lazy', this.folder);
    });
  }

  freeze(): void {
    run('fsfreeze', '-f', this.folder);
  }

  /** Nothing if it is not frozen. */
  thaw(): void {
    tried('fsfreeze', '-u', this.folder);
  }

  /** For good: everything fails with EIO, as when ext4 finds itself corrupt. */
  shutDown(): void {
    // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
    const script = [
      'import fcntl, os, sys',
      'folder = os.open(sys.argv[1], os.O_RDONLY)',
      'fcntl.ioctl(folder, 0x8004587d, (2).to_bytes(4, "little"))',
    ].join('\n');
    run('python3', '-c', script, this.folder);
  }
}

/** A block device over a new file; the answer is its path. */
export function attachLoopDevice(t: Teardown, bytes: number): string {
  const image = join(makeFolder(t), 'image');
  writeFileSync(image, '');
  truncateSync(image, bytes);
  const device = run('losetup', '--find', '--show', image);
  atEnd(t, () => {
    tried('losetup', '--detach', device);
  });
  return device;
}

export function setReadOnly(device: string, readOnly: boolean): void {
  run('blockdev', readOnly ? '--setro' : '--setrw', device);
}
