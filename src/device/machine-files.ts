/**
 * The files in which the kernel shows the machine and takes orders: /sys, /proc, /dev and /run.
 * All paths are below one root, which tests replace with a tree that they have made up.
 *
 * What is not there is undefined or empty. Only what keeps a question from being answered is
 * thrown, as a TargetError that names the file.
 */

import { constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { access, open, readdir, readlink, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TargetError } from '../errors.js';
import { smallFiles } from '../small-file.js';
import { fileReason } from '../system-error.js';
import { readOwn, saveOwn } from './own-file.js';

/** A device node that is open. */
export interface OpenNode {
  /** As {@link MachineFiles.deviceNumber}. */
  readonly number: string | undefined;
  readonly close: () => Promise<void>;
}

/** Attributes of sysfs have at most a page. */
const TEXT_BYTES_MAX = 64 * 1024;

/**
 * A drive that is told to let go makes its cache durable first; one that is broken is waited for by
 * the kernel, for about a minute.
 */
const WRITE_DEADLINE_MS = 90_000;

/** Not there, not there any more, or not with this device. */
const ABSENT = ['EINVAL', 'ENODEV', 'ENOENT', 'ENOTDIR', 'ENXIO', 'ESRCH'];

export class MachineFiles {
  readonly #root: string;

  constructor(root = '/') {
    this.#root = root;
  }

  /** Without the white space at its ends. */
  text(path: string, bytesMax = TEXT_BYTES_MAX): Promise<string | undefined> {
    return read(path, undefined, async () => {
      const bytes = await smallFiles.read(this.#at(path), bytesMax);
      return bytes.toString().trim();
    });
  }

  /** Of what is in a folder, in order. */
  names(path: string): Promise<string[]> {
    return read(path, [], async () => (await readdir(this.#at(path))).sort());
  }

  /** Where a symbolic link points. */
  link(path: string): Promise<string | undefined> {
    return read(path, undefined, () => readlink(this.#at(path)));
  }

  isThere(path: string): Promise<boolean> {
    return read(path, false, async () => {
      await access(this.#at(path));
      return true;
    });
  }

  /** Whether this user may read and write it. */
  async mayUse(path: string): Promise<boolean> {
    try {
      await access(this.#at(path), constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * `b259:0` of a block device, `c242:0` of a character device; undefined: it is none. The path may
   * lead to a file system that does not answer.
   */
  deviceNumber(path: string): Promise<string | undefined> {
    const file = this.#at(path);
    return read(path, undefined, () =>
      smallFiles.inTime(file, async () => numberOf(await stat(file, { bigint: true }))),
    );
  }

  /** A device node, without waiting for a medium. Throws the system's error, with its code. */
  open(path: string, flags: number): Promise<OpenNode> {
    const call = { isLate: false };
    const opened = smallFiles.inTime(path, async () => {
      const node = await open(this.#at(path), flags | constants.O_NONBLOCK);
      if (call.isLate) await node.close();
      const number = call.isLate ? undefined : numberOf(await node.stat({ bigint: true }));
      return { number, close: () => node.close() };
    });
    return opened.catch((thrown: unknown) => {
      call.isLate = true;
      throw thrown;
    });
  }

  /** Tells the kernel something. Throws the system's error, with its code. */
  write(path: string, value: string): Promise<void> {
    return smallFiles.write(this.#at(path), value, WRITE_DEADLINE_MS);
  }

  /** A file of our own. Throws the system's error, with its code. */
  save(path: string, text: string): Promise<void> {
    const file = this.#at(path);
    return smallFiles.inTime(file, () => saveOwn(file, text));
  }

  /** Throws as well if others could have written it. */
  saved(path: string): Promise<string> {
    const file = this.#at(path);
    return smallFiles.inTime(file, () => readOwn(file, TEXT_BYTES_MAX));
  }

  /** A file of our own, if there is one. */
  remove(path: string): Promise<void> {
    return smallFiles.inTime(this.#at(path), () => rm(this.#at(path), { force: true }));
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}

async function read<T>(path: string, absent: T, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    const { code = '' } = thrown as NodeJS.ErrnoException;
    if (ABSENT.includes(code)) return absent;
    throw new TargetError(
      isRefusal(code) ? 'forbidden' : 'platform_unsupported',
      `${path} cannot be read: ${fileReason(thrown)}`,
      { cause: thrown },
    );
  }
}

/** Whether the code says that this user may not. */
export function isRefusal(code: string | undefined): boolean {
  return code === 'EACCES' || code === 'EPERM';
}

/** What `call` answers, or `otherwise` where it cannot be seen, for whatever reason. */
export async function unlessUnseen<T, O>(otherwise: O, call: () => Promise<T>): Promise<O | T> {
  try {
    return await call();
  } catch (thrown) {
    if (thrown instanceof TargetError) return otherwise;
    throw thrown;
  }
}

function numberOf(facts: BigIntStats): string | undefined {
  const kind = facts.isBlockDevice() ? 'b' : facts.isCharacterDevice() ? 'c' : undefined;
  return kind === undefined ? undefined : `${kind}${numberText(facts.rdev)}`;
}

/** `259:0`, from what the C library makes of it. */
export function numberText(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n);
  return `${major}:${minor}`;
}
