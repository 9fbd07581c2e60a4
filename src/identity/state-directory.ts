/**
 * What the daemon remembers over restarts, one small file for each thing, so that one that is
 * damaged is one. Files are written whole or not at all; what cannot be read is an error that names
 * the file. The directory is made on first need and belongs to one daemon at a time.
 */

import { open, mkdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { TargetError } from '../errors.js';

export interface StateDirectory {
  /** Null if there is no such file. */
  read(name: string): Promise<string | null>;
  /** Durable when it resolves. */
  write(name: string, text: string): Promise<void>;
  /** Durable when it resolves; nothing if there is no such file. */
  remove(name: string): Promise<void>;
  /** Where a file is, for people. */
  pathOf(name: string): string;
}

/** For tests, and for targets that nobody restarts. */
export class MemoryState implements StateDirectory {
  readonly files = new Map<string, string>();

  read(name: string): Promise<string | null> {
    return Promise.resolve(this.files.get(name) ?? null);
  }

  write(name: string, text: string): Promise<void> {
    this.files.set(name, text);
    return Promise.resolve();
  }

  remove(name: string): Promise<void> {
    this.files.delete(name);
    return Promise.resolve();
  }

  pathOf(name: string): string {
    return `(memory)/${name}`;
  }
}

/** Locks a file for this process, for as long as it lives. */
export type LockFile = (path: string) => Promise<void>;

const lockName = 'lock';

export class FileState implements StateDirectory {
  readonly #path: string;
  readonly #lockFile: LockFile;
  #locked: Promise<void> | null = null;

  constructor(path: string, lockFile: LockFile) {
    this.#path = path;
    this.#lockFile = lockFile;
  }

  pathOf(name: string): string {
    return join(this.#path, name);
  }

  async read(name: string): Promise<string | null> {
    if (this.#locked === null && !(await this.#exists())) return null;
    await this.#lock();
    try {
      return await readFile(this.pathOf(name), 'utf8');
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return null;
      throw unusable(`cannot read ${this.pathOf(name)}`, thrown);
    }
  }

  async write(name: string, text: string): Promise<void> {
    await this.#lock();
    const path = this.pathOf(name);
    const temporary = `${path}.new`;
    try {
      await makeFolder(dirname(path));
      await writeDurably(temporary, text);
      await rename(temporary, path);
      await syncFolder(dirname(path));
      await syncFolder(this.#path);
    } catch (thrown) {
      await unlink(temporary).catch(() => undefined);
      throw unusable(`cannot write ${path}`, thrown);
    }
  }

  async remove(name: string): Promise<void> {
    await this.#lock();
    const path = this.pathOf(name);
    try {
      await unlink(path);
      await syncFolder(dirname(path));
    } catch (thrown) {
      if (codeOf(thrown) !== 'ENOENT') throw unusable(`cannot remove ${path}`, thrown);
    }
  }

  async #exists(): Promise<boolean> {
    try {
      return (await stat(this.#path)).isDirectory();
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') return false;
      throw unusable(`cannot look at ${this.#path}`, thrown);
    }
  }

  /** Makes the directory if need be. A failure is tried again by the next who needs it. */
  #lock(): Promise<void> {
    this.#locked ??= this.#lockNow().catch((thrown: unknown) => {
      this.#locked = null;
      throw thrown;
    });
    return this.#locked;
  }

  async #lockNow(): Promise<void> {
    try {
      await makeFolder(this.#path);
      await syncFolder(dirname(this.#path)).catch(() => undefined);
    } catch (thrown) {
      throw unusable(`cannot make the state directory ${this.#path}`, thrown);
    }
    try {
      await this.#lockFile(this.pathOf(lockName));
    } catch (thrown) {
      const code = codeOf(thrown);
      if (code === 'EAGAIN') {
        throw new TargetError(
          'in_use',
          `the state directory ${this.#path} is in use by another capsuled; ` +
            'give each daemon its own with `state_directory`',
          { field: 'state_directory', cause: thrown },
        );
      }
      throw unusable(`cannot lock ${this.pathOf(lockName)}`, thrown);
    }
  }
}

/**
 * With those above it. Node's `recursive` goes on for ever where a folder is there, and yet nothing
 * can be made in it, such as /proc.
 */
async function makeFolder(path: string): Promise<void> {
  const made = await makeOneFolder(path);
  if (made === 'made') return;
  if (dirname(path) === path) throw made;
  await makeFolder(dirname(path));
  const again = await makeOneFolder(path);
  if (again !== 'made') throw again;
}

/** The error if the folder above is not there. */
async function makeOneFolder(path: string): Promise<'made' | Error> {
  try {
    await mkdir(path, { mode: 0o700 });
    return 'made';
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return thrown as Error;
    const isFolder = await stat(path)
      .then((stats) => stats.isDirectory())
      .catch(() => false);
    if (isFolder) return 'made';
    throw thrown;
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  await closing(file, async () => {
    await file.writeFile(text);
    await file.sync();
  });
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await closing(folder, () => folder.sync());
}

async function closing(file: FileHandle, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await file.close();
  }
}

function codeOf(thrown: unknown): string {
  const { code } = thrown as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

function unusable(what: string, thrown: unknown): TargetError {
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  const advice = ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(thrown))
    ? '; name a directory that the daemon’s user may write with `state_directory`'
    : '';
  return new TargetError('state_unusable', `${what}: ${reason}${advice}`, {
    field: 'state_directory',
    cause: thrown,
  });
}
