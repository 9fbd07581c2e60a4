/**
 * A bdev that the engine has open, and what of a bdev's parameters makes it another one.
 *
 * The engine's name of a bdev is `description.name`, the configuration's is `parameters.name`. They
 * differ where two bdevs of one configured name are open at once: the new one is opened before the
 * old one goes, and the old one may still drain.
 */

import { isDeepStrictEqual } from 'node:util';

import { engineParameters, foundFacts, kindOf, lastingParameters } from '../bdev/kinds.js';
import type { BdevDescription, BdevParameters, Engine } from '../engine/engine-types.js';

export interface OpenBdev {
  readonly parameters: BdevParameters;
  readonly description: BdevDescription;
}

/**
 * Whether `desired` is what is open, however it is written: a size that is left out is the one that
 * was found. What can be changed while it is open does not count; a parameter that is not known
 * here does.
 */
export function isSameBdev(
  { parameters, description }: OpenBdev,
  desired: BdevParameters,
): boolean {
  const meaning = (of: BdevParameters): object => ({
    ...foundFacts(description, of),
    ...lastingParameters(of),
  });
  return isDeepStrictEqual(meaning(parameters), meaning(desired));
}

/** As {@link isSameBdev}, of what is not open: nothing is known but what was written. */
export function isSameRequest(left: BdevParameters, right: BdevParameters): boolean {
  return isDeepStrictEqual(engineParameters(left), engineParameters(right));
}

/** Whether closing it destroys what was written to it. */
export function losesContent(engine: Engine, { parameters, description }: OpenBdev): boolean {
  return isVolatile(parameters) && mayHaveContent(engine, description.name);
}

export function isVolatile({ kind }: BdevParameters): boolean {
  return kindOf(kind)?.isVolatile === true;
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
