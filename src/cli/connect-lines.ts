/** What a user types on a host: one `nvme connect` line per listener and subsystem. */

import { networkInterfaces } from 'node:os';
import { isWildcard } from '../transport/address.js';
import type { ListenerView } from '../subsystem/views.js';

export interface ReadyListener {
  readonly address: string;
  readonly port: number;
  readonly subnqn: readonly string[];
}

export function readyListeners(listeners: readonly ListenerView[]): ReadyListener[] {
  return listeners.map(({ actual, subsystems }) => ({
    address: actual.address,
    port: actual.port,
    subnqn: subsystems,
  }));
}

export function connectLines(listeners: readonly ListenerView[]): string[] {
  return listeners.flatMap(({ actual, subsystems }) =>
    subsystems.map((nqn) => {
      const address = isWildcard(actual.address)
        ? reachableAddress(actual.address)
        : actual.address;
      return `nvme connect -t tcp -a ${address} -s ${actual.port} -n ${nqn}`;
    }),
  );
}

/** An address of this machine that other machines may know it by; loopback if it has no other. */
function reachableAddress(wildcard: string): string {
  const family = wildcard.includes(':') ? 'IPv6' : 'IPv4';
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outward = all.find(
    (entry) => entry.family === family && !entry.internal && !entry.address.startsWith('fe80:'),
  );
  return outward?.address ?? (family === 'IPv6' ? '::1' : '127.0.0.1');
}
