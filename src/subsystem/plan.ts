/**
 * The way from what runs to another configuration: the steps as people see them beforehand, and
 * what must be opened and closed for it.
 *
 * What is compared is what is meant, not how it is written: an address in another spelling, a size
 * that is the one found, an identifier that is the default are no change. What hosts need not
 * notice takes nothing away.
 *
 * Pure: reads the state, changes nothing, decides nothing about how a step is made.
 */

import { planBdevs } from './plan-bdevs.js';
import type { BdevPlan } from './plan-bdevs.js';
import { planEndpoints } from './plan-endpoints.js';
import type { EndpointPlan } from './plan-endpoints.js';
import { Steps } from './plan-steps.js';
import { planSubsystems } from './plan-subsystems.js';
import type { Change } from './change.js';
import type { TargetConfiguration } from './configuration.js';
import type { TargetState } from './target-state.js';

export interface Plan {
  /** In the order in which they are made. */
  readonly changes: readonly Change[];
  readonly bdevs: BdevPlan;
  readonly endpoints: EndpointPlan;
}

/** Throws `in_use` if something that still drains stands in the way. */
export function planChanges(state: TargetState, desired: TargetConfiguration): Plan {
  const steps = new Steps();
  const bdevs = planBdevs(state, desired, steps);
  planSubsystems(state, desired, bdevs, steps);
  const endpoints = planEndpoints(state, desired, steps);
  return { changes: steps.inOrder, bdevs, endpoints };
}
