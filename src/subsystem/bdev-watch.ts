/**
 * Looks at the bdevs once a second and says what became of them: in the log, and to hosts that
 * asked for asynchronous events about their health. Those whose disks have grown grow.
 *
 * The engine keeps the faults and counts the errors; here is only what was said already. An error
 * is told at once, more within an interval as their number, and an interval without any as the end
 * of them, so that a failing disk writes a line each interval and no more.
 */

import { kindOf } from '../bdev/kinds.js';
import type { BdevDescription, BdevFailure, BdevHealth } from '../engine/engine-types.js';
import type { BdevState } from './bdev-condition.js';
import { BdevGrowth } from './bdev-growth.js';
import { criticalWarning, soundHealth, stateText, statesOf } from './bdev-condition.js';
import type { OpenBdev } from './open-bdev.js';
import { PathWatch } from './path-watch.js';
import { isRemoved } from './plan-removal.js';
import type { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';

interface Told {
  /** Of whom: a bdev that is opened anew may have the same names. */
  readonly description: BdevDescription;
  states: ReadonlySet<BdevState>;
  hungSinceMs: number;
  /** Of the engine's count. */
  failureCount: number;
  /** The end of the interval in which errors are only counted; null if there were none. */
  quietUntilMs: number | null;
  readonly paths: PathWatch;
}

export class BdevWatch {
  static readonly lookMs = 1000;
  static readonly intervalMs = 10_000;

  readonly #state: TargetState;
  /** By configured name. */
  readonly #told = new Map<string, Told>();
  /** Critical warnings that hosts were told of. */
  readonly #warnings = new WeakMap<Subsystem, number>();
  readonly #growth: BdevGrowth;
  readonly #onRemoved: () => void;
  #cancel: (() => void) | null = null;

  /** `onRemoved`: a device is gone whose bdev is to be closed; until it is, at each look. */
  constructor(state: TargetState, onRemoved: () => void = () => undefined) {
    this.#state = state;
    this.#onRemoved = onRemoved;
    this.#growth = new BdevGrowth(state);
  }

  start(): void {
    this.#cancel ??= this.#state.clock.after(BdevWatch.lookMs, () => {
      this.#cancel = null;
      this.look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  look(): void {
    const { bdevs, subsystems } = this.#state;
    for (const name of this.#told.keys()) if (!bdevs.has(name)) this.#told.delete(name);
    for (const bdev of bdevs.values()) this.#lookAt(bdev);
    for (const subsystem of subsystems.values()) this.#warn(subsystem);
    this.#growth.look();
    if ([...bdevs.values()].some((bdev) => isRemoved(this.#state, bdev))) this.#onRemoved();
  }

  #health(engineName: string): BdevHealth {
    return this.#state.engine.bdevHealth(engineName) ?? soundHealth;
  }

  #lookAt({ parameters, description }: OpenBdev): void {
    const bdev = parameters.name;
    const health = this.#health(description.name);
    const told = this.#toldOf(bdev, description);
    this.#tellFailures(bdev, health, told);
    this.#tellStates(bdev, health, told, kindOf(parameters.kind)?.isRemovable === true);
    told.paths.look(bdev, this.#state.engine.bdevPaths(description.name));
  }

  #toldOf(bdev: string, description: BdevDescription): Told {
    const before = this.#told.get(bdev);
    if (before?.description === description) return before;
    if (before !== undefined) this.#tellAnew(bdev, before);
    const told: Told = {
      description,
      states: new Set<BdevState>(['ok']),
      hungSinceMs: 0,
      failureCount: 0,
      quietUntilMs: null,
      paths: new PathWatch(this.#state.logger),
    };
    this.#told.set(bdev, told);
    return told;
  }

  /** What was said of the one that is closed holds no more. */
  #tellAnew(bdev: string, { states, quietUntilMs }: Told): void {
    const { logger } = this.#state;
    for (const state of states) {
      if (state !== 'ok') logger.info({ bdev, state }, 'this is over: the bdev was opened anew');
    }
    if (quietUntilMs === null) return;
    logger.info({ bdev }, 'its disk errors were before it was opened anew');
  }

  #tellStates(bdev: string, health: BdevHealth, told: Told, isRemovable: boolean): void {
    const { logger, clock } = this.#state;
    const states = new Set(statesOf(health));
    for (const state of states) {
      const text = stateText(state);
      if (text === null || told.states.has(state)) continue;
      if (state === 'hung') told.hungSinceMs = clock.nowMs() - health.oldestMs;
      const latched = state === 'gone' || state === 'lost_data' || state === 'lost_flush';
      logger[latched ? 'error' : 'warn'](
        { bdev, state },
        `${text}${adviceFor(state, bdev, isRemovable)}`,
      );
    }
    for (const state of told.states) {
      if (state === 'ok' || states.has(state)) continue;
      const seconds = Math.round((clock.nowMs() - told.hungSinceMs) / 1000);
      const fields = state === 'hung' ? { bdev, state, seconds } : { bdev, state };
      logger.info(fields, endText(state, seconds));
    }
    told.states = states;
  }

  #tellFailures(bdev: string, { failureCount, lastFailure }: BdevHealth, told: Told): void {
    const { logger, clock } = this.#state;
    const nowMs = clock.nowMs();
    const count = failureCount - told.failureCount;
    if (told.quietUntilMs === null) {
      if (count <= 0 || lastFailure === null) return;
      logger.warn({ bdev, ...failureFields(lastFailure), count }, failureText(lastFailure));
    } else {
      if (nowMs < told.quietUntilMs) return;
      if (count <= 0 || lastFailure === null) {
        told.quietUntilMs = null;
        logger.info({ bdev }, `no more disk errors for ${BdevWatch.intervalMs / 1000} s`);
        return;
      }
      const fields = { bdev, ...failureFields(lastFailure), count };
      logger.warn(fields, `more disk errors; the last one: ${failureText(lastFailure)}`);
    }
    told.failureCount = failureCount;
    told.quietUntilMs = nowMs + BdevWatch.intervalMs;
  }

  /** Tells hosts of warnings that are new. */
  #warn(subsystem: Subsystem): void {
    const { controllers } = this.#state;
    const namespaces = [...subsystem.namespaces.values()];
    const healths = namespaces.map(({ bdev }) => this.#state.healthOf(bdev.name));
    const drives = namespaces.flatMap(({ bdev }) => this.#state.drivesOf(bdev.name));
    const warning = criticalWarning(healths, drives);
    const raised = warning & ~(this.#warnings.get(subsystem) ?? 0);
    this.#warnings.set(subsystem, warning);
    if (raised === 0) return;
    for (const controller of subsystem.controllers.values()) {
      controllers.notifyHealth(controller, raised);
    }
  }
}

function failureFields({ op, offset, code }: BdevFailure): object {
  return { op, offset, error: code };
}

function failureText({ op, offset, code, message }: BdevFailure): string {
  const where = op === 'flush' ? '' : ` at byte ${offset}`;
  return `${op.replaceAll('_', ' ')}${where} failed: ${code} (${message})`;
}

function adviceFor(state: BdevState, bdev: string, isRemovable: boolean): string {
  if (state === 'gone' && isRemovable) return '; its namespaces go until there is one again';
  const until = `until \`capsuled acknowledge ${bdev}\`, or until the bdev is opened anew`;
  switch (state) {
    case 'gone':
      return `; nothing is read or written ${until} with its device back`;
    case 'lost_data':
      return `; nothing is read or written ${until} with all of it there again`;
    case 'lost_flush':
      return `; flushes and durable writes fail ${until}`;
    default:
      return '';
  }
}

function endText(state: BdevState, seconds: number): string {
  switch (state) {
    case 'hung':
      return `its disk no longer hangs, after ${seconds} s`;
    case 'write_protected':
      return 'its device takes writes again';
    default:
      return 'the loss was acknowledged';
  }
}
