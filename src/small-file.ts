/**
 * Small files that somebody names: the configuration, a token. The name may lead anywhere, and the
 * file system behind it may do anything: have a FIFO there, a device, a file without an end, or not
 * answer at all. None of that may hold up more than the one who asked, and that one hears of it.
 *
 * A system call that does not return keeps one of the few threads that Node has for files. So each
 * path has one call at a time: who asks again meanwhile waits for the first to end.
 */

import { constants } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Stats } from 'node:fs';

/** How long a file system may take. */
export const FILE_DEADLINE_MS = 5000;

/** Why a file was not read; completes "it cannot be read: …". */
export class FileFault extends Error {
  override readonly name = 'FileFault';
}

/** What was asked for may still come to pass. */
export class LateFault extends FileFault {}

/** What of the file system is asked; tests put their own in. */
export interface Files {
  readonly open: (
    path: string,
    flags: number,
  ) => Promise<Pick<FileHandle, 'stat' | 'read' | 'write' | 'close'>>;
  readonly stat: (path: string) => Promise<Stats>;
  readonly realpath: (path: string) => Promise<string>;
}

export class SmallFiles {
  readonly #files: Files;
  readonly #deadlineMs: number;
  /** By path: the calls that have not ended. */
  readonly #calls = new Map<string, Promise<unknown>>();

  constructor(files: Files = { open, stat, realpath }, deadlineMs = FILE_DEADLINE_MS) {
    this.#files = files;
    this.#deadlineMs = deadlineMs;
  }

  /** Whether a call has not ended: it keeps the process from ending, too. */
  get isHeld(): boolean {
    return this.#calls.size > 0;
  }

  /** All of a regular file, which has at most `bytesMax` bytes. */
  read(path: string, bytesMax: number): Promise<Buffer> {
    return this.inTime(path, () => this.#read(path, bytesMax));
  }

  realpath(path: string): Promise<string> {
    return this.inTime(path, () => this.#files.realpath(path));
  }

  /**
   * Into a file of the kernel that is there already, by one call, and acted upon before it ends.
   */
  write(path: string, text: string, deadlineMs: number): Promise<void> {
    return this.inTime(path, () => this.#write(path, text), deadlineMs);
  }

  async #read(path: string, bytesMax: number): Promise<Buffer> {
    // Before it is opened: that alone does something to some devices.
    checkKind(await this.#files.stat(path));
    const file = await this.#files.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      checkKind(await file.stat());
      return await readAll(file, bytesMax);
    } finally {
      await file.close();
    }
  }

  async #write(path: string, text: string): Promise<void> {
    checkKind(await this.#files.stat(path));
    const file = await this.#files.open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      await file.write(text);
    } finally {
      await file.close();
    }
  }

  /** A call of any kind. Rejects when the deadline has passed, whatever becomes of the call. */
  async inTime<T>(path: string, call: () => Promise<T>, deadlineMs = this.#deadlineMs): Promise<T> {
    let isLate = false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        isLate = true;
        const seconds = String(deadlineMs / 1000);
        reject(new LateFault(`the file system has not answered for ${seconds} s`));
      }, deadlineMs);
    });
    const before = this.#calls.get(path) ?? Promise.resolve();
    const result = before.then(() => (isLate ? late : call()));
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    this.#calls.set(path, ended);
    void ended.then(() => {
      if (this.#calls.get(path) === ended) this.#calls.delete(path);
    });
    try {
      return await Promise.race([result, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Of this process. */
export const smallFiles = new SmallFiles();

function checkKind(stats: Stats): void {
  if (stats.isFile()) return;
  const kinds: readonly (readonly [boolean, string])[] = [
    [stats.isDirectory(), 'folder'],
    [stats.isFIFO(), 'FIFO'],
    [stats.isSocket(), 'socket'],
    [stats.isBlockDevice() || stats.isCharacterDevice(), 'device'],
  ];
  const kind = kinds.find(([is]) => is)?.[1] ?? 'file of another kind';
  throw new FileFault(`it is a ${kind}, not a regular file`);
}

/** The size that it says it has is not asked: files of /proc have none. */
async function readAll(file: Pick<FileHandle, 'read'>, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length <= bytesMax) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytesMax + 1 - length));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return Buffer.concat(chunks, length);
    chunks.push(chunk.subarray(0, bytesRead));
    length += bytesRead;
  }
  throw new FileFault(`it is larger than ${sizeText(bytesMax)}`);
}

const CHUNK_BYTES = 64 * 1024;

function sizeText(bytes: number): string {
  const mebibyte = 1 << 20;
  return bytes >= mebibyte ? `${bytes / mebibyte} MiB` : `${bytes / 1024} KiB`;
}
