/** What a target is given beside its engine, and what its changes report. */

import type { StateDirectory } from '../identity/state-directory.js';
import type { Logger } from './logger.js';
import type { ControllerView } from './views.js';
import type { Change } from './change.js';

/** Time, so that tests need not wait for it. */
export interface Clock {
  /** Monotonic, ms. */
  nowMs(): number;
  /** Calls back once after `delayMs`; the answer cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

/** A timer that is so late was not the only thing that had to wait: the process was stopped. */
const GAP_MS = 500;

/**
 * Real time. A callback that is due while the process is stopped, or its event loop blocked, is
 * given its whole delay once more: what it waits for may have come meanwhile, and is handled first.
 */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    let timer: NodeJS.Timeout | undefined;
    const begin = (): void => {
      const dueMs = performance.now() + delayMs;
      const ended = (): void => {
        if (performance.now() - dueMs < GAP_MS) callback();
        else begin();
      };
      timer = setTimeout(ended, delayMs).unref();
    };
    begin();
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Limits on everything that hosts or configurations can grow. */
export interface TargetLimits {
  /** Living controllers of all subsystems and of discovery. */
  readonly controllersMax: number;
  /** I/O queues of one controller. */
  readonly ioQueuesMax: number;
  /** NN: the largest NSID. */
  readonly namespacesMax: number;
  readonly subsystemsMax: number;
  /** How long a Connect for a QID whose old connection still drains waits for it, ms. */
  readonly duplicateQidWaitMs: number;
  /**
   * How long a change waits for what it takes away, ms; what takes longer is overdue, and shows.
   */
  readonly drainDeadlineMs: number;
  /** How long opening a bdev may take, ms. */
  readonly openDeadlineMs: number;
}

export const limitsDefault: TargetLimits = {
  controllersMax: 4096,
  ioQueuesMax: 64,
  namespacesMax: 1024,
  subsystemsMax: 1024,
  duplicateQidWaitMs: 1000,
  drainDeadlineMs: 5000,
  openDeadlineMs: 10_000,
};

/**
 * Called when a controller is about to end. What it answers is called when the engine has ended it,
 * and not if that fails.
 */
export type ControllerEnding = (controller: ControllerView) => () => void;

export interface TargetOptions {
  readonly logger?: Logger;
  /** Of capsuled; Firmware Revision shows its first 8 characters. */
  readonly version: string;
  readonly limits?: Partial<TargetLimits>;
  readonly clock?: Clock;
  /** Where it remembers what must outlive it; default: nowhere. */
  readonly stateDirectory?: StateDirectory;
  /** Where the machine's identifier is; default: `/etc/machine-id`. */
  readonly machineFile?: string;
  /**
   * Called after each admin or Fabrics command was answered, for
   * `capsuled_admin_command_seconds_bucket{opcode}`.
   */
  readonly onCommandAnswered?: (opcodeName: string, seconds: number) => void;
  readonly onControllerEnding?: ControllerEnding;
}

export interface ApplyReport {
  readonly changes: readonly Change[];
  /** What an operator should know: what was lost, who was shut out, what does not drain. */
  readonly warnings: readonly string[];
}
