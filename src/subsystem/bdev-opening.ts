/**
 * Opens a bdev under a name that the engine does not use yet. A disk that hangs may hold its
 * opening for ever, and a thread with it: that is not waited for, nor tried again before it has
 * ended.
 */

import { baseKeys, basesOf, contentPath, engineParameters } from '../bdev/kinds.js';
import type { BdevDescription, BdevParameters, BdevValue } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { checkFree, closeBdev } from './bdev-closing.js';
import { inTime } from './deadline.js';
import type { OpenBdev } from './open-bdev.js';
import type { TargetState } from './target-state.js';

/** What an opening may differ in, and who hears what it leaves behind. */
export interface Opening {
  readonly changed?: Partial<BdevParameters>;
  /** What is open under a configured name, for it to stand on. */
  readonly baseOf?: (name: string) => OpenBdev | undefined;
  /** A file was made. It stays, whatever becomes of the opening. */
  readonly onMade?: (path: string) => void;
}

export async function openBdev(
  state: TargetState,
  parameters: BdevParameters,
  { changed = {}, onMade = () => undefined, baseOf = () => undefined }: Opening = {},
): Promise<OpenBdev> {
  const { contents } = state;
  const opening = { ...parameters, ...changed };
  checkFree(state, opening);
  await contents.beforeCreate(opening);
  const bases = findBases(opening, baseOf);
  const ofMachine = await contents.parametersOfMachine(opening);
  const description = await openInTime(state, opening, { bases, ofMachine, onMade });
  const bdev = { parameters, description };
  const opened = await known(state, bdev, contents.opened(bdev, descriptions(bases)));
  const { warning } = bdev.description;
  if (warning !== '')
    state.logger.warn({ bdev: parameters.name }, `${parameters.name}: ${warning}`);
  return opened;
}

/** By configured name. Throws if one is not open. */
function findBases(
  parameters: BdevParameters,
  baseOf: (name: string) => OpenBdev | undefined,
): Map<string, OpenBdev> {
  return new Map(
    basesOf(parameters).map((name) => {
      const base = baseOf(name);
      if (base !== undefined) return [name, base];
      const field = baseKeys(parameters.kind).find(([key]) => parameters[key] === name)?.[0];
      const message = `bdev ${name}, which it stands on, is unavailable`;
      throw new TargetError('bdev_failed', message, field === undefined ? {} : { field });
    }),
  );
}

function descriptions(bases: ReadonlyMap<string, OpenBdev>): BdevDescription[] {
  return [...bases.values()].map(({ description }) => description);
}

/**
 * Opens a bdev beside one that has its file open, to see whether it could be opened in its place.
 * Nothing may be written to it; it must be closed again.
 */
export async function tryBdev(
  state: TargetState,
  parameters: BdevParameters,
  baseOf: (name: string) => OpenBdev | undefined,
): Promise<OpenBdev> {
  const opening = { ...parameters, ...(parameters['create'] === true ? { create: false } : {}) };
  const bases = findBases(opening, baseOf);
  const ofMachine = await state.contents.parametersOfMachine(opening);
  const description = await openInTime(state, opening, { claim: false, bases, ofMachine });
  const bdev = { parameters, description };
  return known(state, bdev, state.contents.identify(bdev, descriptions(bases)));
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

interface InTime {
  /** By configured name. */
  readonly bases: ReadonlyMap<string, OpenBdev>;
  readonly ofMachine: Record<string, BdevValue>;
  readonly claim?: boolean;
  readonly onMade?: (path: string) => void;
}

function openInTime(
  state: TargetState,
  parameters: BdevParameters,
  { bases, ofMachine, claim = true, onMade = () => undefined }: InTime,
): Promise<BdevDescription> {
  const { clock, engine, limits, logger, opening } = state;
  const { name } = parameters;
  if (opening.has(name)) {
    return Promise.reject(new TargetError('in_use', `an earlier try to open ${name} hangs`));
  }
  const engineName = state.takeEngineName(name);
  opening.add(name);
  let isLate = false;
  const engineNameOf = (base: string): string => bases.get(base)?.description.name ?? base;
  const told = {
    ...engineParameters(parameters, engineNameOf),
    ...ofMachine,
    name: engineName,
  };
  const baseNames = descriptions(bases).map((base) => base.name);
  const opened = engine.bdevCreate(told, claim, baseNames);
  const ended = opened
    .then(
      async (description) => {
        state.tables.stands(engineName, baseNames);
        const made = description.created ? contentPath(parameters) : undefined;
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
