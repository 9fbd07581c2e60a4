/**
 * Bdevs whose device was taken out, and what stands on them: closed, so that the machine can do
 * with the device's place what it wants, and missing from then on.
 *
 * Pure, as `plan.ts`.
 */

import { basesOf, kindOf } from '../bdev/kinds.js';
import { basesFirst } from '../bdev/stack.js';
import type { OpenBdev } from './open-bdev.js';
import { places } from './plan-steps.js';
import type { Plan } from './plan.js';
import type { TargetState } from './target-state.js';

/** Whether its device is gone and may come back as another one. */
export function isRemoved({ engine }: TargetState, { parameters, description }: OpenBdev): boolean {
  if (kindOf(parameters.kind)?.isRemovable !== true) return false;
  return engine.bdevHealth(description.name)?.faults.includes('gone') === true;
}

export function planRemoval(state: TargetState): Plan {
  const { bdevs, desired } = state;
  const gone = new Set<string>();
  for (const bdev of basesFirst([...bdevs.values()], ({ parameters }) => parameters)) {
    const { parameters } = bdev;
    const isAbove = basesOf(parameters).some((base) => gone.has(base));
    if (isAbove || isRemoved(state, bdev)) gone.add(parameters.name);
  }
  const configured = places(desired.bdevs, ({ name }) => name, 'bdevs');
  return {
    changes: [],
    bdevs: {
      keep: new Map([...bdevs].filter(([name]) => !gone.has(name))),
      open: [],
      exchange: [],
      displaced: [],
      retry: [],
      lost: [...configured].filter(([name]) => gone.has(name)).map(([, place]) => place),
      close: [...bdevs].filter(([name]) => gone.has(name)).map(([, bdev]) => bdev),
    },
    endpoints: { open: [], exchange: [], displaced: [], close: [], retry: [] },
  };
}
