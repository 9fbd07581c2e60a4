/**
 * A bdev that the engine has open, and what of a bdev's parameters makes it another one.
 *
 * The engine's name of a bdev is `description.name`, the configuration's is `parameters.name`. They
 * differ where two bdevs of one configured name are open at once: the new one is opened before the
 * old one goes, and the old one may still drain.
 */

import { isDeepStrictEqual } from 'node:util';

import type { BdevDescription, BdevParameters, Engine } from '../engine/engine-types.js';

export interface OpenBdev {
  readonly parameters: BdevParameters;
  readonly description: BdevDescription;
}

/** Kinds whose content is gone when they are closed. */
const volatileKinds: ReadonlySet<string> = new Set(['malloc']);

/** Where `block_size` is not given: these kinds take 512, others what their device needs. */
const blockSizeDefaults: Readonly<Record<string, number>> = { malloc: 512, null: 512 };

/**
 * Whether `desired` is what is open, however it is written: a size that is left out is the one that
 * was found. What can be changed while it is open (`create`, `disposable`) does not count; a
 * parameter that is not known here does.
 */
export function isSameBdev(
  { parameters, description }: OpenBdev,
  desired: BdevParameters,
): boolean {
  const size = description.blockCount * BigInt(description.blockSize);
  const meaning = (of: BdevParameters): object =>
    written({
      ...of,
      size: of.size ?? size,
      blockSize: of.blockSize ?? blockSizeDefaults[of.kind] ?? description.blockSize,
      readOnly: of.readOnly ?? false,
      create: undefined,
      disposable: undefined,
    });
  return isDeepStrictEqual(meaning(parameters), meaning(desired));
}

/** As {@link isSameBdev}, of what is not open: nothing is known but what was written. */
export function isSameRequest(left: BdevParameters, right: BdevParameters): boolean {
  const meaning = (of: BdevParameters): object => written({ ...of, disposable: undefined });
  return isDeepStrictEqual(meaning(left), meaning(right));
}

/** The members that have a value. */
function written(parameters: object): object {
  return Object.fromEntries(
    Object.entries(parameters as Record<string, unknown>).filter(
      ([, value]) => value !== undefined,
    ),
  );
}

/** Whether closing it destroys what was written to it. */
export function losesContent(engine: Engine, { parameters, description }: OpenBdev): boolean {
  return volatileKinds.has(parameters.kind) && mayHaveContent(engine, description.name);
}

/** False only if the engine has counted no operation that could have left something there. */
function mayHaveContent(engine: Engine, bdev: string): boolean {
  const { bdevOperations, bdevOperationWords } = engine.facts.statNames;
  const arrays = engine.bdevStats(bdev);
  if (arrays.length === 0 || !bdevOperations.includes('write')) return true;
  const harmless = ['read', 'flush', 'compare'];
  return bdevOperations.some((operation, index) => {
    if (harmless.includes(operation)) return false;
    const first = index * bdevOperationWords.length;
    return arrays.some((words) =>
      // A write that failed may have written a part.
      ['operations', 'errors'].some(
        (word) => (words[first + bdevOperationWords.indexOf(word)] ?? 0n) > 0n,
      ),
    );
  });
}
