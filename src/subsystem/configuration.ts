/**
 * What a target shall be, as plain normalized objects: no YAML, no defaults left to fill in except
 * the identities, which follow from what a bdev holds and from the machine.
 */

import type { BdevParameters, Endpoint } from '../engine/engine-types.js';

export interface NamespaceConfiguration {
  /** 1 … `limits.namespacesMax`. */
  readonly nsid: number;
  /** Name of a bdev of the same configuration. */
  readonly bdev: string;
  readonly readOnly: boolean;
  /** `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`; default: the content's. */
  readonly uuid?: string;
  /** 32 hexadecimal digits; default: derived from the UUID. */
  readonly nguid?: string;
  /** 16 hexadecimal digits; default: none. */
  readonly eui64?: string;
}

export interface SubsystemConfiguration {
  readonly nqn: string;
  /** At most 20 printable ASCII characters; default: of the machine and the NQN. */
  readonly serial?: string;
  /** At most 40 printable ASCII characters. */
  readonly model: string;
  readonly allowAnyHost: boolean;
  /** NQNs. */
  readonly hosts: readonly string[];
  /** First and last CNTLID that this subsystem gives out. */
  readonly cntlidRange: readonly [number, number];
  /** Several subsystems may name the same endpoint; it is listened on once. */
  readonly listeners: readonly Endpoint[];
  readonly namespaces: readonly NamespaceConfiguration[];
}

export interface TargetConfiguration {
  /** Endpoints that serve discovery only; every subsystem listener serves it as well. */
  readonly discoveryListeners: readonly Endpoint[];
  readonly bdevs: readonly BdevParameters[];
  readonly subsystems: readonly SubsystemConfiguration[];
}

export const emptyConfiguration: TargetConfiguration = {
  discoveryListeners: [],
  bdevs: [],
  subsystems: [],
};

export const cntlidRangeDefault: readonly [number, number] = [1, 0xffef];
