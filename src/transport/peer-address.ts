/** What counts as one host's address: the engine's admission counts by the same (admission.cc). */

import { isIPv6 } from 'node:net';
import { groupsOf } from './address.js';

/**
 * An IPv4 address, or the first 64 bits of an IPv6 address, of which a host may have any number;
 * but the whole of it where it is link-local or loopback, and the IPv4 address inside of IPv6.
 */
export function hostOf(address: string): string {
  if (address.includes('%') || !isIPv6(address)) return address;
  const groups = groupsOf(address);
  const leading = groups.slice(0, 5);
  const zeros = leading.every((group) => group === 0);
  if (zeros && groups[5] === 0xffff) return ipv4Of(groups);
  const loopback = zeros && groups[5] === 0 && groups[6] === 0 && groups[7] === 1;
  const linkLocal = ((groups[0] ?? 0) & 0xffc0) === 0xfe80;
  if (loopback || linkLocal) return address;
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}

function ipv4Of(groups: readonly number[]): string {
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.');
}
