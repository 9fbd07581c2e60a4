/**
 * The living controllers, by the engine's handle: creates and ends them. Ending is a join,
 * `terminate` → `terminateJoin`: the engine closes every queue, then the identifiers are free
 * again.
 */

import type { Engine } from '../engine/engine-types.js';
import type { Notice } from './aen.js';
import type { ConnectionShares } from './connection-shares.js';
import { Controller } from './controller.js';
import type { ControllerParts } from './controller.js';
import type { Logger } from './logger.js';
import type { PeerLines } from './peer-lines.js';
import type { ControllerEnding, TargetLimits } from './target-options.js';

/** Handles are given out in a circle, so that a late event about an old controller finds nobody. */
const handleMax = 0xffffffff;

export interface ControllerTableParts {
  readonly engine: Engine;
  readonly logger: Logger;
  readonly limits: TargetLimits;
  readonly peerLines: PeerLines;
  readonly shares: ConnectionShares;
  readonly onEnding: ControllerEnding | undefined;
  /** In the turn in which a controller's end begins, before it does. */
  readonly beforeEnd: (controller: Controller) => void;
}

export class ControllerTable implements Iterable<Controller> {
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #limits: TargetLimits;
  readonly #peerLines: PeerLines;
  readonly #shares: ConnectionShares;
  readonly #onEnding: ControllerEnding;
  readonly #beforeEnd: (controller: Controller) => void;
  readonly #byHandle = new Map<number, Controller>();
  #handleNext = 1;

  constructor(parts: ControllerTableParts) {
    const { engine, logger, limits, peerLines, shares, onEnding, beforeEnd } = parts;
    this.#engine = engine;
    this.#logger = logger;
    this.#limits = limits;
    this.#peerLines = peerLines;
    this.#shares = shares;
    this.#onEnding = onEnding ?? (() => () => undefined);
    this.#beforeEnd = beforeEnd;
  }

  get size(): number {
    return this.#byHandle.size;
  }

  get(handle: number): Controller | undefined {
    return this.#byHandle.get(handle);
  }

  [Symbol.iterator](): Iterator<Controller> {
    return this.#byHandle.values();
  }

  /** Null if there are as many as there may be. */
  create(parts: Omit<ControllerParts, 'handle'>): Controller | null {
    if (this.#byHandle.size >= this.#limits.controllersMax) return null;
    const controller = new Controller({ ...parts, handle: this.#takeHandle() });
    this.#byHandle.set(controller.handle, controller);
    controller.subsystem.controllers.set(controller.cntlid, controller);
    this.#shares.opened(controller);
    return controller;
  }

  /**
   * Ends a controller; if it is ending already, joins that. Never rejects: what fails is logged and
   * the end stands.
   */
  terminate(controller: Controller, reason: string): Promise<void> {
    controller.terminated ??= this.#terminateJoin(controller, reason);
    return controller.terminated;
  }

  async terminateAll(controllers: Iterable<Controller>, reason: string): Promise<void> {
    await Promise.all([...controllers].map((controller) => this.terminate(controller, reason)));
  }

  /** Raises an asynchronous event, if the host wants it and does not know already. */
  notify(controller: Controller, notice: Notice): void {
    if (controller.state !== 'ready') return;
    const dw0 = controller.events.raise(notice);
    if (dw0 !== null) this.#engine.asynchronousEvent(controller.handle, dw0);
  }

  /** The same of new Critical Warning bits. */
  notifyHealth(controller: Controller, criticalWarning: number): void {
    if (controller.state !== 'ready') return;
    const dw0 = controller.events.raiseHealth(criticalWarning);
    if (dw0 !== null) this.#engine.asynchronousEvent(controller.handle, dw0);
  }

  async #terminateJoin(controller: Controller, reason: string): Promise<void> {
    this.#beforeEnd(controller);
    controller.setState('terminating');
    const { handle, cntlid, hostName: hostNqn, address } = controller;
    const subsystem = controller.subsystem.nqn;
    try {
      const onEnded = this.#onEnding(controller.view);
      await this.#engine.controllerTerminate(handle, 'all', reason);
      onEnded();
    } catch (error) {
      this.#logger.error({ err: error, controller: handle, cntlid, subsystem }, 'terminate failed');
    }
    controller.setState('gone');
    this.#byHandle.delete(handle);
    controller.subsystem.controllers.delete(cntlid);
    this.#shares.closed(controller);
    const fields = { controller: handle, cntlid, subsystem, hostNqn, reason };
    this.#peerLines.write('info', 'controller_gone', address, fields, 'controller gone');
  }

  #takeHandle(): number {
    while (this.#byHandle.has(this.#handleNext)) {
      this.#handleNext = (this.#handleNext % handleMax) + 1;
    }
    const handle = this.#handleNext;
    this.#handleNext = (handle % handleMax) + 1;
    return handle;
  }
}
