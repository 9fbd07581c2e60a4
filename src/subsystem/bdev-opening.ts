/**
 * Opens a bdev under a name that the engine does not use yet. A disk that hangs may hold its
 * opening for ever, and a thread with it: that is not waited for, nor tried again before it has
 * ended.
 */

import type { BdevDescription, BdevParameters } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { checkFree, closeBdev } from './bdev-closing.js';
import { inTime } from './deadline.js';
import type { OpenBdev } from './open-bdev.js';
import type { TargetState } from './target-state.js';

/** What an opening may differ in, and who hears what it leaves behind. */
export interface Opening {
  readonly changed?: Partial<BdevParameters>;
  /** A file was made. It stays, whatever becomes of the opening. */
  readonly onMade?: (path: string) => void;
}

export async function openBdev(
  state: TargetState,
  parameters: BdevParameters,
  { changed = {}, onMade = () => undefined }: Opening = {},
): Promise<OpenBdev> {
  const { contents } = state;
  const opening = { ...parameters, ...changed };
  checkFree(state, opening);
  await contents.beforeCreate(opening);
  const bdev = { parameters, description: await openInTime(state, opening, { onMade }) };
  return known(state, bdev, contents.opened(bdev));
}

/**
 * Opens a bdev beside one that has its file open, to see whether it could be opened in its place.
 * Nothing may be written to it; it must be closed again.
 */
export async function tryBdev(state: TargetState, parameters: BdevParameters): Promise<OpenBdev> {
  const opening = { ...parameters, create: false };
  const bdev = { parameters, description: await openInTime(state, opening, { claim: false }) };
  return known(state, bdev, state.contents.identify(bdev));
}

/** What cannot be known is closed again. */
async function known(
  state: TargetState,
  bdev: OpenBdev,
  identified: Promise<unknown>,
): Promise<OpenBdev> {
  try {
    await identified;
    return bdev;
  } catch (thrown) {
    await closeBdev(state, bdev);
    throw thrown;
  }
}

function openInTime(
  state: TargetState,
  parameters: BdevParameters,
  { claim = true, onMade = () => undefined }: { claim?: boolean; onMade?: (path: string) => void },
): Promise<BdevDescription> {
  const { clock, engine, limits, logger, opening } = state;
  const { name, path } = parameters;
  if (opening.has(name)) {
    return Promise.reject(new TargetError('in_use', `an earlier try to open ${name} hangs`));
  }
  const engineName = state.takeEngineName(name);
  opening.add(name);
  let isLate = false;
  const opened = engine.bdevCreate({ ...parameters, name: engineName }, claim);
  const ended = opened
    .then(
      async (description) => {
        const made = description.created ? path : undefined;
        if (!isLate) {
          if (made !== undefined) onMade(made);
          return;
        }
        // Whoever asked was told that it failed, and has gone on.
        if (made !== undefined) logger.warn({ bdev: name }, `the new file ${made} came too late`);
        await closeBdev(state, { parameters, description });
      },
      () => {
        state.freeEngineName(engineName);
      },
    )
    .finally(() => opening.delete(name));
  // Behind the book-keeping, so that the name is free to be tried again.
  const answer = ended.then(() => opened);
  return inTime(clock, limits.openDeadlineMs, answer, () => {
    isLate = true;
    const seconds = limits.openDeadlineMs / 1000;
    return new TargetError('bdev_failed', `its disk did not answer for ${seconds} s`);
  });
}
