/** Where a PCI device is: domain, bus, device and function. */

import { TargetError } from '../errors.js';

const ADDRESS = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[01][0-9a-f]\.[0-7])$/;

/** As sysfs spells it: in small letters, with the domain, which is 0000 where none is said. */
export function parsePciAddress(text: string): string {
  const [, domain = '0000', rest] = ADDRESS.exec(text.toLowerCase()) ?? [];
  if (rest === undefined) {
    const what =
      'a PCI address such as 0000:01:00.0 or 01:00.0, as `capsuled device list` shows it,';
    throw TargetError.expected('argument_invalid', what, 'ADDRESS', text);
  }
  return `${domain}:${rest}`;
}
