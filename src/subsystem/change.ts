/**
 * One step from one configuration to another. Every change has an inverse, which is what rolling
 * back is made of, and names the configuration key that it comes from.
 */

import type { BdevParameters, Endpoint } from '../engine/engine-types.js';
import { endpointText } from '../transport/listener.js';
import type { NamespaceConfiguration, SubsystemConfiguration } from './configuration.js';

/** What a subsystem is, without what hangs on it: hosts, listeners and namespaces. */
export type SubsystemParameters = Pick<
  SubsystemConfiguration,
  'nqn' | 'serial' | 'model' | 'allowAnyHost' | 'cntlidRange'
>;

interface Keyed {
  /** The configuration key at fault if the change fails: `subsystems[0].namespaces[1]`. */
  readonly key: string;
}

export type Change = Keyed &
  (
    | { readonly kind: 'bdev_create' | 'bdev_delete'; readonly bdev: BdevParameters }
    | {
        readonly kind: 'subsystem_add' | 'subsystem_remove';
        readonly subsystem: SubsystemConfiguration;
      }
    | {
        readonly kind: 'subsystem_update';
        readonly nqn: string;
        readonly from: SubsystemParameters;
        readonly to: SubsystemParameters;
      }
    | { readonly kind: 'host_add' | 'host_remove'; readonly nqn: string; readonly host: string }
    | {
        readonly kind: 'namespace_add' | 'namespace_remove';
        readonly nqn: string;
        readonly namespace: NamespaceConfiguration;
      }
    | {
        readonly kind: 'listener_add' | 'listener_remove';
        readonly nqn: string;
        readonly endpoint: Endpoint;
      }
    | {
        readonly kind: 'discovery_listener_add' | 'discovery_listener_remove';
        readonly endpoint: Endpoint;
      }
    | { readonly kind: 'endpoint_open' | 'endpoint_close'; readonly endpoint: Endpoint }
  );

export type ChangeKind = Change['kind'];

const inverseKinds = {
  bdev_create: 'bdev_delete',
  bdev_delete: 'bdev_create',
  subsystem_add: 'subsystem_remove',
  subsystem_remove: 'subsystem_add',
  subsystem_update: 'subsystem_update',
  host_add: 'host_remove',
  host_remove: 'host_add',
  namespace_add: 'namespace_remove',
  namespace_remove: 'namespace_add',
  listener_add: 'listener_remove',
  listener_remove: 'listener_add',
  discovery_listener_add: 'discovery_listener_remove',
  discovery_listener_remove: 'discovery_listener_add',
  endpoint_open: 'endpoint_close',
  endpoint_close: 'endpoint_open',
} as const satisfies Record<ChangeKind, ChangeKind>;

/** The change that undoes this one. */
export function inverse(change: Change): Change {
  if (change.kind === 'subsystem_update') return { ...change, from: change.to, to: change.from };
  // The members that share a shape are each other's inverses, which the type system cannot see
  // through a lookup.
  return { ...change, kind: inverseKinds[change.kind] } as Change;
}

/** One line for people: what the change does. */
export function describe(change: Change): string {
  switch (change.kind) {
    case 'bdev_create':
      return `create bdev ${change.bdev.name} (${change.bdev.kind})`;
    case 'bdev_delete':
      return `delete bdev ${change.bdev.name}`;
    case 'subsystem_add':
      return `add subsystem ${change.subsystem.nqn}`;
    case 'subsystem_remove':
      return `remove subsystem ${change.subsystem.nqn}`;
    case 'subsystem_update':
      return `update subsystem ${change.nqn}`;
    case 'host_add':
      return `allow host ${change.host} on ${change.nqn}`;
    case 'host_remove':
      return `remove host ${change.host} from ${change.nqn}`;
    case 'namespace_add':
      return `add ${namespaceText(change.namespace)} to ${change.nqn}`;
    case 'namespace_remove':
      return `remove ${namespaceText(change.namespace)} from ${change.nqn}`;
    case 'listener_add':
      return `offer ${change.nqn} on ${endpointText(change.endpoint)}`;
    case 'listener_remove':
      return `withdraw ${change.nqn} from ${endpointText(change.endpoint)}`;
    case 'discovery_listener_add':
      return `serve discovery on ${endpointText(change.endpoint)}`;
    case 'discovery_listener_remove':
      return `stop serving discovery on ${endpointText(change.endpoint)}`;
    case 'endpoint_open':
      return `listen on ${endpointText(change.endpoint)}`;
    case 'endpoint_close':
      return `stop listening on ${endpointText(change.endpoint)}`;
  }
}

function namespaceText({ nsid, bdev }: NamespaceConfiguration): string {
  return `namespace ${nsid} (${bdev})`;
}
