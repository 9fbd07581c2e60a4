/** How a bdev is doing, in the words that the log, the API and the metrics share. */

import type { BdevHealth, DriveHealth } from '../engine/engine-types.js';
import { CriticalWarningBits } from '../wire/layout.gen.js';
import { packBits } from '../wire/bits.js';

/**
 * Worst first.
 *
 * - `gone`: its device went; nothing is read or written
 * - `lost_data`: its file or namespace became shorter than the bdev; nothing is read or written
 * - `lost_flush`: a flush failed; each later one, and each durable write, fails
 * - `hung`: an operation has been under way for longer than any should take
 * - `write_protected`: its device refuses writes
 * - `ok`: nothing of that
 *
 * The first three stay until an operator acknowledges them.
 */
export const bdevStates = [
  'gone',
  'lost_data',
  'lost_flush',
  'hung',
  'write_protected',
  'ok',
] as const;

export type BdevState = (typeof bdevStates)[number];

/**
 * Those of bdevs that are not open as configured, too:
 *
 * - `unavailable`: it cannot be opened now, and is tried again
 * - `draining`: it was removed, and is held by I/O that has not ended
 */
export const listedBdevStates = ['unavailable', 'draining', ...bdevStates] as const;

export type ListedBdevState = (typeof listedBdevStates)[number];

/** Longer than what disks do when they retry a bad sector, shorter than hosts' time-outs. */
export const hungAfterMs = 10_000;

/** Of a bdev about which nothing is known, nothing bad is known. */
export const soundHealth: BdevHealth = {
  faults: [],
  failureCount: 0,
  lastFailure: null,
  oldestMs: 0,
};

/** Of a bdev and those that it stands on, together. */
export function joinedHealth(stack: readonly BdevHealth[]): BdevHealth {
  return {
    faults: [...new Set(stack.flatMap(({ faults }) => faults))],
    failureCount: stack.reduce((sum, { failureCount }) => sum + failureCount, 0),
    lastFailure: stack.map(({ lastFailure }) => lastFailure).find((last) => last !== null) ?? null,
    oldestMs: Math.max(0, ...stack.map(({ oldestMs }) => oldestMs)),
  };
}

/** All that hold, worst first; never empty. */
export function statesOf(health: BdevHealth): readonly BdevState[] {
  const held = new Set<BdevState>(health.faults);
  if (health.oldestMs >= hungAfterMs) held.add('hung');
  if (held.size === 0) held.add('ok');
  return bdevStates.filter((state) => held.has(state));
}

/** What to say of a state; null of `ok`. */
export function stateText(state: BdevState): string | null {
  switch (state) {
    case 'gone':
      return 'its device is gone';
    case 'lost_data':
      return 'its file or namespace became shorter than the bdev: data are lost';
    case 'lost_flush':
      return 'a flush failed, or its drive had no power: what hosts wrote may be lost';
    case 'hung':
      return `its disk hangs: an operation takes longer than ${hungAfterMs / 1000} s`;
    case 'write_protected':
      return 'its device refuses writes';
    case 'ok':
      return null;
  }
}

/**
 * Critical Warning of the SMART log (NVMe Base 2.1, 5.1.12.1.3) over the bdevs of the namespaces
 * that the log is about, and over the drives that these drive. Read-only is said of all media
 * together.
 */
export function criticalWarning(
  healths: readonly BdevHealth[],
  drives: readonly DriveHealth[] = [],
): number {
  const states = healths.map(statesOf);
  const degraded = states.some((held) =>
    held.some((state) => state !== 'ok' && state !== 'write_protected'),
  );
  const readOnly = states.length > 0 && states.every((held) => held.includes('write_protected'));
  const ours = packBits(
    [CriticalWarningBits.ndr, degraded ? 1 : 0],
    [CriticalWarningBits.amro, readOnly ? 1 : 0],
  );
  // A drive that has become read-only is known by its writes.
  const own = ~packBits([CriticalWarningBits.amro, 1]);
  return drives.reduce((warning, drive) => warning | (drive.criticalWarning & own), ours);
}
