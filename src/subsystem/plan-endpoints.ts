/**
 * Which endpoints are opened and closed: by who needs them over all, so that one that merely
 * changes users stays open.
 */

import type { Endpoint } from '../engine/engine-types.js';
import { EndpointIndex } from '../transport/endpoint-index.js';
import { endpointKey, endpointText } from '../transport/listener.js';
import type { Listener } from '../transport/listener.js';
import type { TargetConfiguration } from './configuration.js';
import { difference, places } from './plan-steps.js';
import type { Place, Steps } from './plan-steps.js';
import type { TargetState } from './target-state.js';

export interface EndpointPlan {
  /** Bound beside what runs. */
  readonly open: readonly Place<Endpoint>[];
  /** Bound when `displaced` is closed: both want one port. */
  readonly exchange: readonly Place<Endpoint>[];
  readonly displaced: readonly Listener[];
  /** Unavailable before: tried again, and no reason to refuse the rest. */
  readonly retry: readonly Place<Endpoint>[];
  /** Closed at the end; without `displaced`. */
  readonly close: readonly Listener[];
}

export function planEndpoints(
  state: TargetState,
  desired: TargetConfiguration,
  steps: Steps,
): EndpointPlan {
  planDiscoveryListeners(state, desired, steps);
  const before = endpointPlaces(state.desired);
  const after = endpointPlaces(desired);
  const closing = [...state.listeners].filter(({ key }) => !after.has(key));
  const absent = [...after].filter(([id]) => !state.listeners.has(id));
  const retry = absent.filter(([id]) => state.unavailable.endpoints.has(id));
  const wanted = absent
    .filter(([id]) => !state.unavailable.endpoints.has(id))
    .map(([, place]) => place);
  const wantedEndpoints = indexed(wanted.map(({ item }) => item));
  const isDisplaced = ({ actual }: Listener): boolean => wantedEndpoints.find(actual) !== undefined;
  const displaced = closing.filter(isDisplaced);
  const displacedEndpoints = indexed(displaced.map(({ actual }) => actual));
  const isExchanged = ({ item }: Place<Endpoint>): boolean =>
    displacedEndpoints.find(item) !== undefined;
  for (const { key, configured } of closing) {
    steps.add('withdraw', {
      kind: 'endpoint_close',
      key: before.get(key)?.key ?? 'listeners',
      text: `stop listening on ${endpointText(configured)}`,
    });
  }
  for (const { item, key } of wanted) {
    steps.add('offer', { kind: 'endpoint_open', key, text: `listen on ${endpointText(item)}` });
  }
  return {
    open: wanted.filter((place) => !isExchanged(place)),
    exchange: wanted.filter(isExchanged),
    displaced,
    retry: retry.map(([, place]) => place),
    close: closing.filter((old) => !isDisplaced(old)),
  };
}

function indexed(endpoints: readonly Endpoint[]): EndpointIndex<Endpoint> {
  const index = new EndpointIndex<Endpoint>();
  for (const endpoint of endpoints) index.add(endpoint, endpoint);
  return index;
}

function planDiscoveryListeners(
  state: TargetState,
  desired: TargetConfiguration,
  steps: Steps,
): void {
  const { gone, added } = difference(
    [...state.discovery.listeners.values()],
    desired.discoveryListeners,
    endpointKey,
    'discovery.listeners',
  );
  for (const { item, key } of gone) {
    const text = `stop serving discovery on ${endpointText(item)}`;
    steps.add('withdraw', { kind: 'discovery_listener_remove', key, text });
  }
  for (const { item, key } of added) {
    const text = `serve discovery on ${endpointText(item)}`;
    steps.add('offer', { kind: 'discovery_listener_add', key, text });
  }
}

/** Each endpoint once, under the first key that names it. */
export function endpointPlaces(configuration: TargetConfiguration): Map<string, Place<Endpoint>> {
  const all = new Map<string, Place<Endpoint>>();
  const note = (endpoints: readonly Endpoint[], key: string): void => {
    for (const [id, place] of places(endpoints, endpointKey, key)) {
      if (!all.has(id)) all.set(id, place);
    }
  };
  note(configuration.discoveryListeners, 'discovery.listeners');
  configuration.subsystems.forEach((subsystem, index) => {
    note(subsystem.listeners, `subsystems[${index}].listeners`);
  });
  return all;
}
