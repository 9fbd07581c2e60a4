/**
 * Which device a path leads to. Paths that others have chosen may lead to a file system that does
 * not answer, and each call that hangs keeps one of the few threads that Node has for files: so
 * after the first of them only what looks like a device node is asked, and after a second nothing.
 */

import { TargetError } from '../errors.js';
import { LateFault } from '../small-file.js';
import type { MachineFiles } from './machine-files.js';

const HUNG_MAX = 2;

export class NodeNumbers {
  readonly #files: MachineFiles;
  #hung = 0;
  #isWhole = true;

  constructor(files: MachineFiles) {
    this.#files = files;
  }

  /** False: of some nothing is known. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /**
   * As {@link MachineFiles.deviceNumber}; undefined as well if it is not known. `name` is what the
   * path leads to, as its user has named it.
   */
  async numberOf(path: string, name = path): Promise<string | undefined> {
    if (!name.startsWith('/')) return undefined;
    const mayAsk = this.#hung === 0 || (this.#hung < HUNG_MAX && name.startsWith('/dev/'));
    if (!mayAsk) {
      this.#isWhole = false;
      return undefined;
    }
    try {
      return await this.#files.deviceNumber(path);
    } catch (thrown) {
      if (!(thrown instanceof TargetError)) throw thrown;
      // Files that even root may not look at are on file systems of users, which have no nodes.
      if (thrown.code !== 'forbidden') this.#isWhole = false;
      if (thrown.cause instanceof LateFault) this.#hung += 1;
      return undefined;
    }
  }
}
