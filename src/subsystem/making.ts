/** Carries a plan out, all of it or nothing: prepared, exchanged, committed, or taken back. */

import type { Endpoint } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { endpointKey } from '../transport/listener.js';
import { PermissionError } from './change.js';
import type { Change } from './change.js';
import { Commit } from './commit.js';
import type { TargetConfiguration } from './configuration.js';
import { Exchange } from './exchange.js';
import { ExportCheck } from './export-check.js';
import type { Plan } from './plan.js';
import { Preparation } from './preparation.js';
import type { Missing } from './preparation.js';
import type { TargetState } from './target-state.js';

export interface Making {
  readonly desired: TargetConfiguration;
  readonly plan: Plan;
  readonly missing: Missing;
  /** The plan as of now. Throws if it may not be made any more: hosts come while it is prepared. */
  readonly recheck: () => Plan;
}

export interface Made {
  /** Without those of what is waited for. */
  readonly changes: readonly Change[];
  /** Each resolves by its deadline. */
  readonly drains: readonly Promise<void>[];
}

/** Rejects with the error to report: what went wrong, and what is so now. */
export async function make(state: TargetState, making: Making): Promise<Made> {
  const { desired, plan, missing, recheck } = making;
  const { contents } = state;
  const preparation = new Preparation(state);
  const exchange = new Exchange(state, plan);
  const exports = new ExportCheck(state, desired, plan, preparation, missing);
  let commit: Commit | null = null;
  contents.beginChange();
  try {
    await preparation.open(plan, missing);
    await exports.run();
    if (missing === 'wait') checkServing(preparation, state, desired);
    await exchange.rehearse(exports, preparation);
    // From here on nothing waits before it matters.
    const { changes } = recheck();
    await exchange.run(preparation);
    if (plan.bdevs.exchange.length > 0) await exports.run();
    // And meanwhile; behind this, the commit lets nobody in whom it would cut off.
    recheck();
    commit = new Commit(state, plan, preparation, desired);
    const drains = await commit.run();
    contents.keepChange();
    const { missingKeys } = preparation;
    return { changes: changes.filter(({ key }) => !missingKeys.has(key)), drains };
  } catch (thrown) {
    throw await takeBack(state, preparation, exchange, commit, thrown);
  }
}

/** Gives back what was opened and brings back what was taken; answers the error to throw. */
async function takeBack(
  { contents, logger }: TargetState,
  preparation: Preparation,
  exchange: Exchange,
  commit: Commit | null,
  thrown: unknown,
): Promise<TargetError> {
  const error = TargetError.from(thrown);
  const begun = exchange.hasBegun || commit?.hasBegun === true;
  const recorded = await contents.takeBackChange();
  const stays = [...(await preparation.discard()), ...recorded];
  const lost = [...(commit?.lost ?? []), ...(await exchange.undo())];
  // A stack tells of a defect of ours; what the machine or the configuration refused needs none.
  if (error.code === 'internal') logger.error({ err: error.cause ?? error }, error.message);
  const back = begun ? 'the old configuration is back' : 'nothing has changed';
  if (error instanceof PermissionError && lost.length === 0) {
    return begun ? new PermissionError(error.changes, error.missing, back) : error;
  }
  const outcome = lost.length > 0 ? `tried again until they are back: ${lost.join(', ')}` : back;
  const code = lost.length > 0 ? 'rollback_failed' : 'apply_failed';
  const why = error instanceof PermissionError ? error.reason : error.message;
  const message = [why, outcome, ...stays].join('; ');
  const cause = error.cause ?? error;
  return new TargetError(
    code,
    message,
    error.field === undefined ? { cause } : { field: error.field, cause },
  );
}

/**
 * One disk or address that is missing is no reason to serve nothing else; if nothing is left that
 * could be served, it is.
 */
function checkServing(
  { bdevs, listeners, missingBdevs, missingEndpoints }: Preparation,
  state: TargetState,
  desired: TargetConfiguration,
): void {
  const [first] = [...missingBdevs, ...missingEndpoints];
  if (first === undefined || state.desired === desired) return;
  const isOpen = (endpoint: Endpoint): boolean =>
    listeners.has(endpointKey(endpoint)) || state.listeners.has(endpointKey(endpoint));
  const serves = desired.subsystems.some(
    ({ listeners: offered, namespaces }) =>
      offered.some(isOpen) &&
      namespaces.some(({ bdev }) => bdevs.has(bdev) || state.bdevs.has(bdev)),
  );
  if (!serves) throw first.error;
}
