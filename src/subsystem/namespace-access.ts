/**
 * Which controllers may reach which namespaces. A host that believes that a namespace is one disk
 * must not write into another one that took its place: where the content behind an NSID has
 * changed, a controller is kept from it until its host has found out. Per controller and NSID:
 *
 *     open ──► hidden ──► listed ──► open     a new controller ──► listed ──► hidden
 *
 * - `open` (no entry): served
 * - `hidden`: another content came while the controller lived, or before, and its host looks again
 * when it is told to. It is told that there is no such namespace; the host moves it on, by reading
 * that (active namespace list, or zeros for the namespace), so that it gives up the old disk before
 * the new one shows
 * - `listed`: described, but commands end with Namespace Not Ready; the host moves it on, by
 * reading Identify Namespace (CNS 00h): nobody can use what is there without its size and block
 * format
 *
 * A new controller begins with what its host may have in mind from earlier ones of the same path
 * (`host-paths.ts`): a namespace is open at once only if its content never was another one, or if
 * the host is sure to know the one that is there.
 *
 * The engine is told which namespaces are withheld; I/O is not asked anything.
 */

import type { Engine } from '../engine/engine-types.js';
import type { Contents } from '../identity/contents.js';
import type { Controller } from './controller.js';
import type { ControllerTable } from './controller-table.js';
import type { Namespace } from './namespace.js';
import { untilIdentified } from './retry-delays.js';
import type { Subsystem } from './subsystem.js';
import type { Clock } from './target-options.js';

export type Access = 'hidden' | 'listed';

/**
 * A host that found another disk than it knew may have dropped the namespace without looking again
 * (Linux does); it is told once more after this time.
 */
const lookAgainMs = 2000;

export class NamespaceAccess {
  readonly #engine: Engine;
  readonly #contents: Contents;
  readonly #controllers: ControllerTable;
  readonly #clock: Clock;

  constructor(engine: Engine, contents: Contents, controllers: ControllerTable, clock: Clock) {
    this.#engine = engine;
    this.#contents = contents;
    this.#controllers = controllers;
    this.#clock = clock;
  }

  /** Behind its Connect, before it can have I/O queues. */
  controllerCreated(subsystem: Subsystem, controller: Controller): void {
    const beliefs = subsystem.hostPaths.opened(controller, this.#clock.nowMs());
    for (const [nsid, content] of beliefs) controller.known.set(nsid, content);
    for (const { nsid, content } of subsystem.namespaces.values()) {
      if (subsystem.arriving.has(nsid)) controller.access.set(nsid, 'hidden');
      else if (controller.known.get(nsid) === content) continue;
      else if (this.#isNeverAnother(subsystem, nsid)) controller.known.set(nsid, content);
      else controller.access.set(nsid, 'listed');
    }
    for (const nsid of subsystem.arriving) controller.access.set(nsid, 'hidden');
    if (controller.access.size > 0) void this.#withhold(subsystem, controller);
  }

  /** Before its end begins. */
  controllerEnds(controller: Controller): void {
    const { subsystem } = controller;
    if (subsystem.kind === 'io') subsystem.hostPaths.ended(controller, this.#clock.nowMs());
  }

  /**
   * The host said whether it waits before it tries again. One that does looks again when it is told
   * to: it can be shown first that the old disk is gone. (Linux compares identifiers only after it
   * has read Identify Namespace, and writes meanwhile.) One that does not may never look again, and
   * is shown what is there at once.
   */
  async retriesChanged(controller: Controller): Promise<void> {
    const { subsystem, access, retriesLater } = controller;
    for (const nsid of access.keys()) {
      const isNews = this.#contents.historyOf(subsystem.nqn, nsid) === 'another';
      if (retriesLater && isNews) access.set(nsid, 'hidden');
    }
    if (controller.withheld.length > 0) await this.#tellEngine(controller);
  }

  /**
   * In the turn in which the engine is asked to serve namespaces whose content may be another one
   * than was there, before it: what is asked first comes first to each reactor.
   */
  beforeServing(subsystem: Subsystem, arriving: readonly Namespace[]): void {
    for (const { nsid } of arriving) subsystem.arriving.add(nsid);
    for (const controller of subsystem.controllers.values()) {
      for (const namespace of arriving) this.#arrives(subsystem, controller, namespace);
      void this.#withhold(subsystem, controller);
    }
  }

  /** The engine serves, or has refused to; the model says what is there now. */
  afterServing(subsystem: Subsystem): void {
    subsystem.arriving.clear();
    for (const controller of subsystem.controllers.values()) {
      for (const nsid of controller.access.keys()) {
        const namespace = subsystem.namespaces.get(nsid);
        if (namespace !== undefined && controller.known.get(nsid) === namespace.content) {
          controller.access.delete(nsid);
        }
      }
      void this.#withhold(subsystem, controller);
    }
  }

  /** What the controller's host is shown. */
  visible(subsystem: Subsystem, controller: Controller): Namespace[] {
    return subsystem.namespacesByNsid.filter(({ nsid }) => this.isVisible(controller, nsid));
  }

  isVisible(controller: Controller, nsid: number): boolean {
    return controller.access.get(nsid) !== 'hidden';
  }

  /** The host was told that the NSIDs of a range are not there, but for those that it was shown. */
  toldAbsent(
    subsystem: Subsystem,
    controller: Controller,
    isTold: (nsid: number) => boolean,
  ): void {
    for (const nsid of [...controller.known.keys(), ...controller.access.keys()]) {
      if (!isTold(nsid) || subsystem.arriving.has(nsid)) continue;
      const isHidden = controller.access.get(nsid) === 'hidden';
      if (subsystem.namespaces.has(nsid) && !isHidden) continue;
      controller.known.delete(nsid);
      if (!isHidden) continue;
      controller.access.set(nsid, 'listed');
      this.#notify(controller, nsid);
    }
  }

  /** Before Identify Namespace (CNS 00h) is answered with what is there. */
  async identified(
    subsystem: Subsystem,
    controller: Controller,
    { nsid, content }: Namespace,
  ): Promise<void> {
    if (subsystem.arriving.has(nsid)) return;
    if (controller.access.get(nsid) !== 'listed') return;
    controller.access.delete(nsid);
    controller.known.set(nsid, content);
    await this.#withhold(subsystem, controller);
    this.#clock.after(lookAgainMs, () => {
      this.#notify(controller, nsid);
    });
  }

  #arrives(subsystem: Subsystem, controller: Controller, { nsid, content }: Namespace): void {
    if (controller.known.get(nsid) === content) return;
    if (controller.known.has(nsid)) controller.access.set(nsid, 'hidden');
    else if (controller.access.has(nsid)) return;
    else if (this.#isNeverAnother(subsystem, nsid)) controller.known.set(nsid, content);
    else controller.access.set(nsid, 'listed');
  }

  #isNeverAnother(subsystem: Subsystem, nsid: number): boolean {
    return this.#contents.historyOf(subsystem.nqn, nsid) === 'same';
  }

  #notify(controller: Controller, nsid: number): void {
    controller.namespaceChanged(nsid);
    this.#controllers.notify(controller, 'namespace_attribute_changed');
  }

  async #withhold(subsystem: Subsystem, controller: Controller): Promise<void> {
    const isThere = (nsid: number): boolean =>
      subsystem.namespaces.has(nsid) || subsystem.arriving.has(nsid);
    const nsids = [...controller.access.keys()].filter(isThere).sort((a, b) => a - b);
    const isSame =
      nsids.length === controller.withheld.length &&
      nsids.every((nsid, index) => nsid === controller.withheld[index]);
    // What was asked before comes to the reactors before anything that is asked now.
    if (isSame) return;
    controller.withheld = nsids;
    await this.#tellEngine(controller);
  }

  #tellEngine({ handle, withheld, retriesLater }: Controller): Promise<void> {
    return this.#engine.controllerWithhold(
      handle,
      withheld,
      retriesLater ? untilIdentified.crd : 0,
    );
  }
}
