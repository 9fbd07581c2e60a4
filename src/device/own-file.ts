/**
 * Small files that this program keeps for itself, and believes when it runs as root: in a folder
 * that nobody but their writer can change. A link in the folder's or the file's place is never
 * followed.
 *
 * The system's errors are thrown as they are.
 */

import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FileFault } from '../small-file.js';

/** Whole or not at all. The folder is made if it is not there. */
export async function saveOwn(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { mode: 0o755, recursive: true });
  const { uid } = checkOwn(await lstat(folder), folder);
  if (uid !== ownUid()) throw new FileFault(`${folder} is of another user`);
  const next = `${path}.new`;
  // Of one who was ended on the way.
  await rm(next, { force: true });
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = await open(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  await rename(next, path);
}

/** At most `bytesMax` bytes. Throws if anybody but this user, or root, could have written it. */
export async function readOwn(path: string, bytesMax: number): Promise<string> {
  const folder = dirname(path);
  checkOwn(await lstat(folder), folder);
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const facts = checkOwn(await file.stat(), path);
    if (!facts.isFile()) throw new FileFault(`${path} is not a regular file`);
    if (facts.size > bytesMax) throw new FileFault(`${path} is too large`);
    const bytes = Buffer.alloc(facts.size);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
}

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}

const WRITABLE_BY_OTHERS = 0o022;

function checkOwn(facts: Stats, path: string): Stats {
  if (facts.isSymbolicLink()) throw new FileFault(`${path} is a symbolic link`);
  if (facts.uid !== 0 && facts.uid !== ownUid()) throw new FileFault(`${path} is of another user`);
  if ((facts.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw new FileFault(`${path} can be written by other users`);
  }
  return facts;
}
