/**
 * What is configured and missing, tried again. It is all that is planned: what serves stays as it
 * is, whatever its path has become, since nobody asked for more.
 *
 * Pure, as `plan.ts`.
 */

import { endpointPlaces } from './plan-endpoints.js';
import { places } from './plan-steps.js';
import type { Plan } from './plan.js';
import type { TargetState } from './target-state.js';

export function planRetry({ bdevs, desired, listeners }: TargetState): Plan {
  const configured = places(desired.bdevs, ({ name }) => name, 'bdevs');
  const nothing = { open: [], exchange: [], displaced: [], close: [] };
  return {
    changes: [],
    bdevs: {
      ...nothing,
      keep: new Map(bdevs),
      retry: [...configured].filter(([name]) => !bdevs.has(name)).map(([, place]) => place),
    },
    endpoints: {
      ...nothing,
      retry: [...endpointPlaces(desired)]
        .filter(([key]) => !listeners.has(key))
        .map(([, place]) => place),
    },
  };
}
