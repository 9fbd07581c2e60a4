/**
 * Says in the log what becomes of the paths of a bdev. A path that is tried again and again says
 * why it fails once for each reason, and no more before it has been live again.
 */

import type { BdevPath } from '../engine/engine-types.js';
import type { Logger } from './logger.js';

interface Told {
  state: BdevPath['state'];
  access: string;
  /** Since it was live and well. */
  readonly reasons: Set<string>;
}

export class PathWatch {
  readonly #logger: Logger;
  /** By the name of the path. */
  readonly #told = new Map<string, Told>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  look(bdev: string, paths: readonly BdevPath[]): void {
    for (const path of paths) this.#lookAt(bdev, path);
    const names = new Set(paths.map(({ name }) => name));
    for (const name of this.#told.keys()) {
      if (names.has(name)) continue;
      this.#told.delete(name);
      this.#logger.info({ bdev, path: name }, 'this path is not known any more');
    }
  }

  #lookAt(bdev: string, { name, state, access, reason }: BdevPath): void {
    let told = this.#told.get(name);
    if (told === undefined) {
      // Of the ones that were live when it was opened nothing is to be said.
      told = { state: 'live', access, reasons: new Set() };
      this.#told.set(name, told);
    }
    const isNew = state !== told.state;
    const fields = { bdev, path: name, state };
    if (reason !== '' && !told.reasons.has(reason)) {
      told.reasons.add(reason);
      this.#logger.warn(fields, `${lossText(state)}: ${reason}`);
    } else if (isNew && state === 'lost') {
      this.#logger.warn(fields, lossText(state));
    } else if (state === 'live' && reason === '' && (isNew || told.reasons.size > 0)) {
      this.#logger.info(fields, 'the path is live');
    } else if (state === 'live' && access !== '' && access !== told.access) {
      this.#logger.info({ ...fields, access }, `the access by this path is ${access} now`);
    }
    if (state === 'live' && reason === '') told.reasons.clear();
    told.state = state;
    told.access = access;
  }
}

function lossText(state: BdevPath['state']): string {
  switch (state) {
    case 'live':
      return 'the path is not used';
    case 'lost':
      return 'the path was lost, and is not tried any more';
    default:
      return 'the path was lost, and is tried again';
  }
}
