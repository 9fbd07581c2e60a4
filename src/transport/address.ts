/** IP addresses as text: one spelling for each address. */

import { isIPv4, isIPv6 } from 'node:net';

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

/** The shortest form, with all digits in hexadecimal (RFC 5952); undefined if it is none. */
function shortestIPv6(address: string): string | undefined {
  if (address.includes('%') || !isIPv6(address)) return undefined;
  const groups = groupsOf(address);
  const zeros = longestZeros(groups);
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  if (zeros.count < 2) return text(0, groups.length);
  return `${text(0, zeros.from)}::${text(zeros.from + zeros.count, groups.length)}`;
}

/** The first of the longest runs of groups that are 0. */
function longestZeros(groups: readonly number[]): { from: number; count: number } {
  let longest = { from: 0, count: 0 };
  let count = 0;
  groups.forEach((group, index) => {
    count = group === 0 ? count + 1 : 0;
    if (count > longest.count) longest = { from: index + 1 - count, count };
  });
  return longest;
}

/** The eight groups of an address that isIPv6() takes and that has no zone. */
export function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const left = partsOf(head);
  const right = tail === undefined ? [] : partsOf(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function partsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!isIPv4(part)) return [parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
