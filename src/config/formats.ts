/**
 * The string formats of config.yaml. The schema names them (`format`); the reader parses with them;
 * the JSON Schema for editors gets their patterns.
 */

import { isIP, isIPv6 } from 'node:net';
import { nqnFault } from '../subsystem/nqn.js';
import { mappedIPv4 } from '../transport/address.js';
import { discoveryNqn, nqnLengthMax } from '../wire/layout.gen.js';
import { DURATION_EXPECTED, DURATION_PATTERN, durationHint, parseDuration } from './duration.js';
import { notationHint } from './number-notation.js';
import { SIZE_EXPECTED, SIZE_PATTERN, parseSize, sizeHint } from './size.js';

export interface Format {
  /** Completes "expected …". */
  readonly expected: string;
  readonly pattern?: string;
  /** Whether a bare integer is as good as its digits. */
  readonly takesInteger?: true;
  /** Undefined: the text does not have this format. */
  readonly parse: (text: string) => unknown;
  /** What is wrong with this text, when more can be said; else empty. */
  readonly hint?: (text: string) => string;
}

export interface HostPort {
  readonly address: string;
  readonly port: number;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const UUID_NQN_PREFIX = 'nqn.2014-08.org.nvmexpress:uuid:';

/** NVM Express Base Specification, "NVMe Qualified Names". */
function parseNqn(text: string): string | undefined {
  if (nqnHint(text) !== '' || !text.startsWith('nqn.')) return undefined;
  return text;
}

function nqnHint(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes > nqnLengthMax) {
    return `it is ${String(bytes)} bytes long, the limit is ${String(nqnLengthMax)}`;
  }
  if (!text.startsWith('nqn.')) return 'it must begin with "nqn."';
  if (text === discoveryNqn) return '';
  if (text.startsWith(UUID_NQN_PREFIX)) {
    return UUID.test(text.slice(UUID_NQN_PREFIX.length)) ? '' : 'what follows "uuid:" is no UUID';
  }
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f]/.test(text)) return 'it must not contain spaces or control characters';
  if (!/^nqn\.[0-9]{4}-(0[1-9]|1[0-2])\./.test(text)) return 'a date such as 2026-11 must follow';
  if (!/^nqn\.[0-9]{4}-[0-9]{2}\.[^.:]+(\.[^.:]+)*(:.+)?$/.test(text)) {
    return 'a reversed domain name and ":name" must follow the date';
  }
  return '';
}

function parseAddress(text: string): string | undefined {
  const refused = isZoneMissing(text) || isMapped(text) || isMulticast(text);
  return isIP(text) === 0 || refused ? undefined : text;
}

/** Of many machines at once, where TCP does not reach; the kernel would let it be listened on. */
function isMulticast(text: string): boolean {
  return isIPv6(text) ? /^ff/i.test(text) : /^(22[4-9]|2[3-5][0-9])\./.test(text);
}

/** Of a link-local address, which every interface may have: it needs the interface's name. */
function isZoneMissing(text: string): boolean {
  return isIPv6(text) && /^fe[89ab][0-9a-f]:/i.test(text) && !text.includes('%');
}

/** Whether it is an IPv4 address in the clothes of IPv6: the same address would have two names. */
function isMapped(text: string): boolean {
  return isIPv6(text) && mappedIPv4(text) !== undefined;
}

function addressHint(text: string): string {
  if (/^\[.*\]$/.test(text)) return 'write it without brackets';
  if (text === '*') return 'write 0.0.0.0 or :: for all addresses';
  if (isZoneMissing(text)) {
    return `the zone is missing: write ${text}%eth0, with the name of the interface`;
  }
  if (isMulticast(text)) return 'it is of many machines at once, which TCP does not reach';
  if (isMapped(text)) return `write ${mappedIPv4(text) ?? ''}`;
  if (/^[0-9.]+:[0-9]+$/.test(text)) return 'the port goes into "port"';
  return /[a-z]/i.test(text) && !text.includes(':') ? 'host names are not resolved' : '';
}

function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(0|[1-9][0-9]{0,4})$/.exec(text);
  if (match === null) return undefined;
  const [, six, four, digits] = match;
  const address = six ?? four ?? '';
  const port = Number(digits);
  const valid = parseAddress(address) !== undefined && (six !== undefined) === isIPv6(address);
  return valid && port <= PORT_MAX ? { address, port } : undefined;
}

const PORT_MAX = 65535;

function hostPortHint(text: string): string {
  if (/^:?[1-9][0-9]{0,4}$/.test(text)) {
    return `the address is missing: write 127.0.0.1:${text.replace(':', '')}`;
  }
  if (/^[a-z]+:\/\//i.test(text)) return 'write the address and port alone';
  const [, brackets, bare, digits = ''] = /^(?:\[(.*)\]|(.*)):([0-9]+)$/.exec(text) ?? [];
  if (bare !== undefined && isIPv6(bare)) return `write [${bare}]:${digits}`;
  if (parseAddress(text) !== undefined) {
    return `the port is missing: write ${isIPv6(text) ? `[${text}]` : text}:9920`;
  }
  if (Number(digits) > PORT_MAX) return `the highest port is ${String(PORT_MAX)}`;
  if (parseAddress(brackets ?? bare ?? '') !== undefined) return notationHint(digits);
  return addressHint(brackets ?? bare ?? text);
}

function parseHexadecimal(text: string, digits: number): string | undefined {
  const plain = text.replaceAll('-', '').toLowerCase();
  const valid = plain.length === digits && /^[0-9a-f]+$/.test(plain) && !/^0+$/.test(plain);
  return valid ? plain : undefined;
}

function matching(pattern: RegExp): (text: string) => string | undefined {
  return (text) => (pattern.test(text) ? text : undefined);
}

export const FORMATS: Readonly<Record<string, Format>> = {
  size: {
    expected: SIZE_EXPECTED,
    pattern: SIZE_PATTERN,
    takesInteger: true,
    parse: parseSize,
    hint: sizeHint,
  },
  block_size: {
    expected: '512 or 4096',
    pattern: '^(512|4096|4KiB)$',
    takesInteger: true,
    parse: (text) => {
      const size = parseSize(text);
      return size === 512n || size === 4096n ? Number(size) : undefined;
    },
  },
  duration: {
    expected: DURATION_EXPECTED,
    pattern: DURATION_PATTERN,
    takesInteger: true,
    parse: parseDuration,
    hint: durationHint,
  },
  nqn: {
    expected: 'an NQN such as nqn.2026-11.com.example:disk0',
    pattern: '^nqn\\.',
    parse: parseNqn,
    hint: nqnHint,
  },
  host_nqn: {
    expected: 'the NQN of a host, as /etc/nvme/hostnqn has it',
    pattern: '^nqn\\.',
    // Hosts with names that are not formed by the book exist.
    parse: (text) => (nqnFault(text) === null ? text : undefined),
    hint: (text) => (text.startsWith('nqn.') ? '' : 'it must begin with "nqn."'),
  },
  address: {
    expected: 'an IPv4 or IPv6 address',
    parse: parseAddress,
    hint: addressHint,
  },
  host_port: {
    expected: 'an address and port such as 127.0.0.1:9920 or [::1]:9920',
    pattern: '^.+:[0-9]{1,5}$',
    parse: parseHostPort,
    hint: hostPortHint,
  },
  name: {
    expected:
      'a name of 1 to 63 letters, digits, ".", "_" or "-", beginning with a letter or digit',
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
    parse: matching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/),
  },
  serial: {
    expected: '1 to 20 printable ASCII characters without a space at either end',
    pattern: '^[!-~]([ -~]{0,18}[!-~])?$',
    takesInteger: true,
    parse: matching(/^[!-~]([ -~]{0,18}[!-~])?$/),
  },
  model: {
    expected: '1 to 40 printable ASCII characters without a space at either end',
    pattern: '^[!-~]([ -~]{0,38}[!-~])?$',
    parse: matching(/^[!-~]([ -~]{0,38}[!-~])?$/),
  },
  path: {
    expected: 'a file path',
    // eslint-disable-next-line no-control-regex
    parse: matching(/^[^\u0000]+$/),
  },
  uuid: {
    expected: 'a UUID such as 6ba7b810-9dad-41d1-80b4-00c04fd430c8',
    pattern: UUID.source,
    parse: (text) =>
      UUID.test(text) && parseHexadecimal(text, 32) !== undefined ? text.toLowerCase() : undefined,
  },
  nguid: {
    expected: '32 hexadecimal digits, not all zero',
    parse: (text) => parseHexadecimal(text, 32),
  },
  eui64: {
    expected: '16 hexadecimal digits, not all zero',
    takesInteger: true,
    parse: (text) => parseHexadecimal(text, 16),
  },
};
