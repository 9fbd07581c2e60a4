/** What is mounted on this machine, in all mount namespaces that can be seen. */

import type { MachineFiles } from './machine-files.js';
import { MOUNT_TABLE_BYTES_MAX, walkMountTables } from './processes.js';

export interface Mount {
  /** `259:1`; file systems of several devices have a number of their own. */
  readonly number: string;
  /** `/dev/nvme0n1p1` */
  readonly source: string;
  readonly point: string;
  /** A process that sees it, where this one does not. */
  readonly seenBy: number | null;
}

/** Tables may be large, and a daemon has other things to do meanwhile. */
const LINES_AT_A_TIME = 1024;

/** `isWhole`: all that there are. */
export async function readMounts(
  files: MachineFiles,
): Promise<{ mounts: Mount[]; isWhole: boolean }> {
  const mounts = new Map<string, Mount>();
  const take = async (text: string, seenBy: number | null): Promise<void> => {
    for await (const line of linesOf(text)) {
      const mount = mountOf(line, seenBy);
      if (mount === undefined) continue;
      const key = `${mount.number} ${mount.source} ${mount.point}`;
      if (!mounts.has(key)) mounts.set(key, mount);
    }
  };
  await take((await files.text('/proc/self/mountinfo', MOUNT_TABLE_BYTES_MAX)) ?? '', null);
  const isWhole = await walkMountTables(files, ({ pid, text }) => take(text, pid));
  return { mounts: [...mounts.values()], isWhole };
}

async function* linesOf(text: string): AsyncGenerator<string> {
  let lines = 0;
  let from = 0;
  while (from < text.length) {
    const found = text.indexOf('\n', from);
    const end = found === -1 ? text.length : found;
    lines += 1;
    if (lines % LINES_AT_A_TIME === 0) await new Promise(setImmediate);
    yield text.slice(from, end);
    from = end + 1;
  }
}

/** Undefined: it stands on no block device. */
function mountOf(line: string, seenBy: number | null): Mount | undefined {
  const [left = '', right = ''] = line.split(' - ');
  const [, , number, , point] = left.split(' ');
  const [, source = ''] = right.split(' ');
  if (number === undefined || point === undefined) return undefined;
  if (number.startsWith('0:') && !source.startsWith('/')) return undefined;
  return { number, source: unescaped(source), point: unescaped(point), seenBy };
}

/** The kernel writes what would end a word in octal. */
export function unescaped(word: string): string {
  return word.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(parseInt(digits, 8)),
  );
}
