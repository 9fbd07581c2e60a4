/** IP addresses as text: one spelling for each address. */

import { isIPv6 } from 'node:net';

/** The IPv4 address inside `::ffff:192.0.2.1`, or undefined when the address is no such one. */
export function mappedIPv4(address: string): string | undefined {
  const [, high, low] =
    /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(shortestIPv6(address) ?? '') ?? [];
  if (high === undefined || low === undefined) return undefined;
  const words = [parseInt(high, 16), parseInt(low, 16)];
  return words.flatMap((word) => [word >> 8, word & 0xff]).join('.');
}

/** The one spelling by which addresses are compared. */
export function canonicalAddress(address: string): string {
  const [plain = '', ...zone] = address.split('%');
  if (!plain.includes(':')) return address;
  return [shortestIPv6(plain) ?? plain.toLowerCase(), ...zone].join('%');
}

/** True for `0.0.0.0` and `::`: the address says nothing about where a host reaches us. */
export function isWildcard(address: string): boolean {
  const canonical = canonicalAddress(address);
  return canonical === '0.0.0.0' || canonical === '::';
}

/** Whether an address is of this machine alone. */
export function isLoopback(address: string): boolean {
  return address.includes(':') ? canonicalAddress(address) === '::1' : address.startsWith('127.');
}

/** The URL parser writes IPv6 addresses in their shortest form, with all digits in hexadecimal. */
function shortestIPv6(address: string): string | undefined {
  return isIPv6(address) && !address.includes('%')
    ? new URL(`http://[${address}]/`).hostname.slice(1, -1)
    : undefined;
}
