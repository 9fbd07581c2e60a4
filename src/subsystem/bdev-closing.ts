/**
 * Closes bdevs. A bdev that somebody still uses is closed when nobody does any more, however late,
 * and is on the list of drains until then; what it holds open cannot be opened meanwhile.
 */

import { contentKey, contentPath } from '../bdev/kinds.js';
import { TargetError } from '../errors.js';
import type { BdevParameters } from '../engine/engine-types.js';
import type { Drain } from './drain-list.js';
import type { OpenBdev } from './open-bdev.js';
import type { TargetState } from './target-state.js';

/** Resolves when it is closed, or else at the deadline. Never rejects. */
export function closeBdev(state: TargetState, bdev: OpenBdev): Promise<void> {
  return listClosing(state, bdev, bdevClosed(state, bdev));
}

/** Resolves when it is closed. Rejects, with the bdev as it was, if the engine refuses that. */
export async function bdevClosed(state: TargetState, { description }: OpenBdev): Promise<void> {
  const { name } = description;
  state.engine.bdevLetGo(name);
  await state.tables.unused(name);
  await state.engine.bdevDelete(name);
  state.tables.stoodOn(name);
  state.freeEngineName(name);
}

/** It shows as long as `closed` has not ended. As {@link closeBdev}. */
export function listClosing(
  { drains }: TargetState,
  { parameters }: OpenBdev,
  closed: Promise<void>,
): Promise<void> {
  return drains.add({ what: `bdev ${parameters.name}`, bdev: parameters }, closed);
}

/** Throws `in_use` if a bdev that was taken away has its file still open. */
export function checkFree({ drains }: TargetState, bdev: BdevParameters): void {
  const path = contentPath(bdev);
  if (path === undefined) return;
  const holder = drains.all.find(
    (drain) => drain.bdev !== null && contentPath(drain.bdev) === path,
  );
  if (holder !== undefined) throw stillHeld(bdev, holder);
}

export function stillHeld(bdev: BdevParameters, { what, since, state }: Drain): TargetError {
  const path = contentPath(bdev) ?? '';
  const field = contentKey(bdev.kind) ?? '';
  const why =
    state === 'failed'
      ? 'which could not be closed; restart the daemon to free it'
      : `which drains since ${since.toISOString()}; try again when its I/O has ended`;
  return new TargetError('in_use', `${path} is still held by ${what}, ${why}`, { field });
}
