/**
 * The admin plane's top object. Interface first: the bodies follow.
 */

import type { Engine, EngineEvent } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import type { TargetConfiguration } from './configuration.js';
import { TargetCounters } from './counters.js';
import type { ApplyReport, TargetOptions } from './target-options.js';
import type {
  BdevView,
  ConnectionView,
  ControllerView,
  ListenerView,
  SubsystemView,
} from './views.js';

export class Target {
  readonly engine: Engine;
  readonly options: TargetOptions;
  readonly counters = new TargetCounters();

  constructor(engine: Engine, options: TargetOptions) {
    this.engine = engine;
    this.options = options;
  }

  /** The engine's sink. Bound: may be passed around. */
  readonly handleEvents = (events: readonly EngineEvent[]): void => {
    void events;
  };

  /** What {@link apply} would do, without doing it. Throws `configuration_invalid`. */
  plan(desired: TargetConfiguration): ApplyReport {
    void desired;
    throw new TargetError('internal', 'not there yet');
  }

  /** Makes the target what `desired` says, all or nothing. Calls are done one after the other. */
  apply(desired: TargetConfiguration): Promise<ApplyReport> {
    return Promise.reject(new TargetError('internal', `not there yet ${String(desired)}`));
  }

  /** The configuration in force. */
  get configuration(): TargetConfiguration {
    throw new TargetError('internal', 'not there yet');
  }

  get subsystems(): readonly SubsystemView[] {
    return [];
  }

  get listeners(): readonly ListenerView[] {
    return [];
  }

  get controllers(): readonly ControllerView[] {
    return [];
  }

  get connections(): readonly ConnectionView[] {
    return [];
  }

  get bdevs(): readonly BdevView[] {
    return [];
  }

  /** Closes the listeners and terminates every controller; the engine itself is the caller's to stop. */
  stop(): Promise<void> {
    return Promise.resolve();
  }
}
