/**
 * What a user types on a host: one `nvme connect` line per listener and subsystem. The ready line
 * has the first of them, because a target has more than a line of the log may.
 */

import { networkInterfaces } from 'node:os';
import { LISTED_MAX, listed } from '../listed.js';
import { isWildcard } from '../transport/address.js';
import type { ListenerView } from '../subsystem/views.js';

export interface ReadyListener {
  readonly address: string;
  readonly port: number;
  readonly subsystems: readonly string[];
}

/** The first listeners, each with its first subsystems. */
export function readyListeners(listeners: readonly ListenerView[]): ReadyListener[] {
  return listeners.slice(0, LISTED_MAX).map(({ actual, subsystems }) => ({
    address: actual.address,
    port: actual.port,
    subsystems: listed(subsystems),
  }));
}

/**
 * A link-local address is written with the zone that it has here, and a host elsewhere puts the
 * name of its own interface there: the line says so, behind the mark of a comment.
 */
export function connectLines(
  listeners: readonly ListenerView[],
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  return listeners.flatMap(({ actual, subsystems }) =>
    subsystems.map((nqn) => {
      const address = isWildcard(actual.address)
        ? reachableAddress(actual.address, interfaces)
        : actual.address;
      const line = `nvme connect -t tcp -a ${address} -s ${actual.port} -n ${nqn}`;
      const [, zone] = address.split('%');
      return zone === undefined ? line : `${line}  # for ${zone}, the interface of the host`;
    }),
  );
}

type Interfaces = ReturnType<typeof networkInterfaces>;

/** An address of this machine that other machines may know it by; loopback if it has no other. */
function reachableAddress(wildcard: string, interfaces: Interfaces): string {
  const all = Object.entries(interfaces).flatMap(([name, addresses = []]) =>
    addresses
      .filter(({ internal }) => !internal)
      .map(({ address, family }) => ({ name, address, family })),
  );
  const isLinkLocal = ({ address }: { address: string }) => /^fe[89ab]/i.test(address);
  const four = all.find(({ family }) => family === 'IPv4');
  if (!wildcard.includes(':')) return four?.address ?? '127.0.0.1';
  const six = all.filter(({ family }) => family === 'IPv6');
  const wide = six.find((entry) => !isLinkLocal(entry)) ?? four;
  if (wide !== undefined) return wide.address;
  const near = six.find(isLinkLocal);
  return near === undefined ? '::1' : `${near.address}%${near.name}`;
}
