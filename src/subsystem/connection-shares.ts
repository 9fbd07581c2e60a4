/**
 * Who may hold how many of all connections once they are connected (before Connect, the engine's
 * admission bounds them): discovery controllers, and the controllers and queues of I/O hosts.
 *
 * A controller is charged for its admin queue and for what it was granted, connected or not: what
 * was granted can be connected until the controller goes. No class can take all, no host all of an
 * address, and each address has a share of its own (address-shares.ts).
 *
 * A controller more than there may be displaces the oldest one of the address that has the most, if
 * that is more than its own address has: of discovery any, of I/O one that has no I/O queue. Nobody
 * loses a disk to somebody else.
 */

import type { Engine } from '../engine/engine-types.js';
import { AddressShares, addressPlan } from './address-shares.js';
import type { AddressPlan } from './address-shares.js';
import { hostOf } from '../transport/peer-address.js';
import type { Controller } from './controller.js';

/** In connections; see docs/internals/limits.md. */
export interface ShareLimits {
  readonly discoveryMax: number;
  readonly discoveryOfAddressMax: number;
  readonly ioMax: number;
  readonly ioOfAddress: AddressPlan;
  readonly ioOfHostMax: number;
}

/** The least that a controller is charged: its admin queue, and one that it must be granted. */
const ioChargeMin = 2;

export function shareLimits(connectionsMax: number): ShareLimits {
  const part = (divisor: number, least: number): number =>
    Math.min(connectionsMax, Math.max(Math.floor(connectionsMax / divisor), least));
  const discoveryMax = part(8, 4);
  const ioMax = connectionsMax - part(8, 2);
  return {
    discoveryMax,
    discoveryOfAddressMax: Math.max(Math.floor(discoveryMax / 8), Math.min(discoveryMax, 4)),
    ioMax,
    ioOfAddress: addressPlan(ioMax),
    ioOfHostMax: Math.min(ioMax, part(4, 8)),
  };
}

/** Whose limit stands in the way. */
export type ShareFault = 'class' | 'address' | 'host';

/** A controller may come in; and who has to go for it. */
export interface Room {
  readonly displaced: Controller | null;
}

interface AddressCharge {
  charged: number;
  connected: number;
  /** Oldest first. */
  readonly controllers: Set<Controller>;
}

export class ConnectionShares {
  readonly limits: ShareLimits;
  readonly #engine: Engine;
  /** Living discovery controllers by address, oldest first. */
  readonly #discovery = new Map<string, Set<Controller>>();
  #discoveryCount = 0;
  readonly #ioOfHost = new Map<string, number>();
  readonly #ioOfAddress = new Map<string, AddressCharge>();
  readonly #charges = new Map<Controller, number>();
  readonly #ioShares: AddressShares;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.limits = shareLimits(engine.facts.connectionsMax);
    this.#ioShares = new AddressShares(this.limits.ioOfAddress);
  }

  /** Whether one more discovery controller may come from there. */
  discoveryRoom(address: string): Room | ShareFault {
    const here = this.#discovery.get(hostOf(address))?.size ?? 0;
    if (here >= this.limits.discoveryOfAddressMax) return 'address';
    if (this.#discoveryCount < this.limits.discoveryMax) return { displaced: null };
    let most: Set<Controller> = new Set();
    for (const set of this.#discovery.values()) if (set.size > most.size) most = set;
    const [oldest] = most;
    return oldest === undefined || most.size <= here ? 'class' : { displaced: oldest };
  }

  /** Whether one more I/O controller may come from there. */
  ioRoom(hostNqn: string, address: string): Room | ShareFault {
    const host = this.#ioOfHost.get(hostKey(hostNqn, address)) ?? 0;
    if (host + ioChargeMin > this.limits.ioOfHostMax) return 'host';
    const key = hostOf(address);
    if (this.#ioShares.isFull(key, ioChargeMin)) return 'address';
    if (this.#ioShares.room(key) >= ioChargeMin) return { displaced: null };
    const charge = this.#ioShares.held(key);
    const displaced = this.#idleOfMost(charge + ioChargeMin);
    return displaced === undefined ? 'class' : { displaced };
  }

  /** The oldest controller without an I/O queue, of the address that has the most of them. */
  #idleOfMost(chargeMin: number): Controller | undefined {
    let most: Controller[] = [];
    for (const { charged, controllers } of this.#ioOfAddress.values()) {
      if (charged <= chargeMin || controllers.size <= most.length) continue;
      const idle = [...controllers].filter(({ living, queues }) => living && queues.size <= 1);
      if (idle.length > most.length) most = idle;
    }
    return most[0];
  }

  /** I/O queues that this controller could have, at least one. */
  queuesMax(controller: Controller): number {
    const own = this.#charges.get(controller) ?? 0;
    const host = this.#ioOfHost.get(hostKey(controller.hostNqn, controller.address)) ?? 0;
    const room = Math.min(
      this.limits.ioOfHostMax - host,
      this.#ioShares.room(hostOf(controller.address)),
    );
    return Math.max(own + room - 1, 1);
  }

  opened(controller: Controller): void {
    if (controller.subsystem.kind === 'io') {
      this.#charge(controller, ioChargeMin);
      this.#ioOfAddress.get(hostOf(controller.address))?.controllers.add(controller);
      return;
    }
    const key = hostOf(controller.address);
    const set = this.#discovery.get(key) ?? new Set();
    this.#discovery.set(key, set.add(controller));
    this.#discoveryCount += 1;
  }

  /** It may connect that many I/O queues until it goes; 0: as few as can be. */
  granted(controller: Controller, queues: number): void {
    this.#charge(controller, Math.max(1 + queues, ioChargeMin));
  }

  queueOpened(controller: Controller): void {
    const address = this.#ioOfAddress.get(hostOf(controller.address));
    if (controller.subsystem.kind !== 'io' || address === undefined) return;
    address.connected += 1;
    this.#settle(controller.address, address);
  }

  queueClosed(controller: Controller): void {
    const address = this.#ioOfAddress.get(hostOf(controller.address));
    if (controller.subsystem.kind !== 'io' || address === undefined) return;
    address.connected -= 1;
    this.#settle(controller.address, address);
  }

  /** No queue of it is left. */
  closed(controller: Controller): void {
    if (controller.subsystem.kind === 'io') {
      this.#ioOfAddress.get(hostOf(controller.address))?.controllers.delete(controller);
      this.#charge(controller, 0);
      this.#charges.delete(controller);
      return;
    }
    const key = hostOf(controller.address);
    const set = this.#discovery.get(key);
    if (set?.delete(controller) !== true) return;
    if (set.size === 0) this.#discovery.delete(key);
    this.#discoveryCount -= 1;
  }

  #charge(controller: Controller, charge: number): void {
    const growth = charge - (this.#charges.get(controller) ?? 0);
    this.#charges.set(controller, charge);
    const host = hostKey(controller.hostNqn, controller.address);
    const ofHost = (this.#ioOfHost.get(host) ?? 0) + growth;
    if (ofHost > 0) this.#ioOfHost.set(host, ofHost);
    else this.#ioOfHost.delete(host);
    const key = hostOf(controller.address);
    const address = this.#ioOfAddress.get(key) ?? {
      charged: 0,
      connected: 0,
      controllers: new Set(),
    };
    this.#ioOfAddress.set(key, address);
    address.charged += growth;
    this.#ioShares.charge(key, growth);
    this.#settle(controller.address, address);
  }

  /** What was granted and is not connected comes in beside the strangers of that address. */
  #settle(address: string, { charged, connected }: AddressCharge): void {
    this.#engine.addressReserve(address, Math.max(charged - connected, 0));
    if (charged === 0 && connected === 0) this.#ioOfAddress.delete(hostOf(address));
  }
}

/** A host is its name at its address: names can be had for nothing. */
function hostKey(hostNqn: string, address: string): string {
  return `${hostOf(address)} ${hostNqn}`;
}
