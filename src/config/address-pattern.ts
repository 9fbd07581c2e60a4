/** Regular expressions for the addresses that ./formats.ts takes, for the JSON Schema. */

import { rangePattern } from './range-pattern.js';

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
/** Addresses from 224.0.0.0 are of many machines. */
const UNICAST_OCTET = '(?:22[0-3]|2[01][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const GROUP = '[0-9a-fA-F]{1,4}';
const DOTTED = `(?:${OCTET}\\.){3}${OCTET}`;

const IPV4 = `${UNICAST_OCTET}(?:\\.${OCTET}){3}`;

/** Where an address ends: it may have a zone, and it may stand in brackets. */
const END = '(?:[%\\]]|$)';

/** What is an IPv6 address, but not to be listened on. */
const REFUSED_IPV6 = [
  `[fF]{2}[0-9a-fA-F]{2}:`, // of many machines
  `[fF][eE][89abAB][0-9a-fA-F]:[^%\\]]*(?:\\]|$)`, // link-local, without a zone
  // IPv4, mapped: five groups of zeros, some of them perhaps left out, and one of ones.
  `(?:0{1,4}:){5}[fF]{4}:`,
  `(?:0{1,4}(?::0{1,4})*)?::(?:0{1,4}:)*[fF]{4}:(?:${DOTTED}|${GROUP}:${GROUP})${END}`,
].join('|');

/** All eight groups, or `before` of them in front of the `::` that stands for at least one. */
function ipv6(): string {
  const shapes = [`(?:${GROUP}:){6}(?:${GROUP}:${GROUP}|${DOTTED})`];
  for (let before = 0; before <= 7; before++) {
    const left = before === 0 ? '' : `${GROUP}(?::${GROUP}){${String(before - 1)}}`;
    const right: string[] = [];
    if (before <= 6) right.push(`${GROUP}(?::${GROUP}){0,${String(6 - before)}}`);
    if (before <= 5) right.push(`(?:${GROUP}:){0,${String(5 - before)}}${DOTTED}`);
    shapes.push(`${left}::${right.length === 0 ? '' : `(?:${right.join('|')})?`}`);
  }
  return `(?!${REFUSED_IPV6})(?:${shapes.join('|')})(?:%[0-9a-zA-Z.:-]+)?`;
}

const IPV6 = ipv6();
const PORT = rangePattern(0n, 65535n);

export const ADDRESS_PATTERN = `^(?:${IPV4}|${IPV6})$`;
export const HOST_PORT_PATTERN = `^(?:${IPV4}|\\[${IPV6}\\]):${PORT}$`;
