/**
 * The string formats of config.yaml. The schema names them (`format`); the reader parses with them;
 * the JSON Schema for editors gets their patterns.
 */

import { isIP, isIPv6 } from 'node:net';
import { foreignClass, isPrintable } from '../printable.js';
import { nqnFault } from '../subsystem/nqn.js';
import { mappedIPv4 } from '../transport/address.js';
import { discoveryNqn, nqnLengthMax } from '../wire/layout.gen.js';
import { ADDRESS_PATTERN, HOST_PORT_PATTERN } from './address-pattern.js';
import {
  DURATION_EXPECTED,
  PATIENCE_EXPECTED,
  durationHint,
  durationPattern,
  parseDuration,
  parsePatience,
} from './duration.js';
import { notationHint } from './number-notation.js';
import {
  PROBABILITY_EXPECTED,
  PROBABILITY_PATTERN,
  parseProbability,
  probabilityHint,
} from './probability.js';
import { rangePattern } from './range-pattern.js';
import type { SchemaNode } from './schema-node.js';
import { SIZE_EXPECTED, parseSize, sizeHint, sizePattern } from './size.js';

export interface Format {
  /** Completes "expected …". */
  readonly expected: string;
  /** The keywords of JSON Schema that take and refuse what `parse` does. */
  readonly schema: (node: SchemaNode) => Readonly<Record<string, unknown>>;
  /** Whether a bare integer is as good as its digits. */
  readonly takesInteger?: true;
  /** Whether any bare number is as good as its digits. */
  readonly takesFraction?: true;
  /** Undefined: the text does not have this format. */
  readonly parse: (text: string) => unknown;
  /** What is wrong with this text, when more can be said; else empty. */
  readonly hint?: (text: string) => string;
}

export interface HostPort {
  readonly address: string;
  readonly port: number;
}

const UUID_DIGITS = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
const UUID = new RegExp(`^${UUID_DIGITS}$`);
const UUID_NQN_PREFIX = 'nqn.2014-08.org.nvmexpress:uuid:';
/** Before hexadecimal digits, of which not all may be 0. */
const NOT_ZERO = '(?![0-]*$)';
/** As many entries as the engine reads of a GPT; logical partitions of an MBR are fewer. */
const PARTITION_MAX = 8192;
const PARTITION_NUMBER = rangePattern(1n, BigInt(PARTITION_MAX));
/** UTF-16 code units of a name in a GPT; where characters have two, fewer of them. */
const PARTITION_NAME_MAX = 36;
const PARTITION = new RegExp(
  `^(?:${PARTITION_NUMBER}|(?!-?[0-9]+$)[^${foreignClass}]{1,${String(PARTITION_NAME_MAX)}})$`,
  'u',
);
const SERIAL = /^[!-~]([ -~]{0,18}[!-~])?$/;
/** More than any disk has. */
const SIZE_MAX = 1n << 63n;
const PORT_MAX = 65535;

const NQN_SPECIAL = [discoveryNqn, UUID_NQN_PREFIX].map((name) => name.replaceAll('.', '\\.'));
const NQN_PATTERN =
  `^(?:${NQN_SPECIAL[1] ?? ''}${UUID_DIGITS}|` +
  `(?!${NQN_SPECIAL[0] ?? ''}$|${NQN_SPECIAL[1] ?? ''})` +
  'nqn\\.[0-9]{4}-(?:0[1-9]|1[0-2])' +
  `(?:\\.[^.:\\s${foreignClass}]+)+(?::[^ ${foreignClass}]+)?)$`;

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
  if (text === discoveryNqn) return 'it is that of the discovery service';
  if (text.startsWith(UUID_NQN_PREFIX)) {
    return UUID.test(text.slice(UUID_NQN_PREFIX.length)) ? '' : 'what follows "uuid:" is no UUID';
  }
  if (text.includes(' ') || !isPrintable(text)) {
    return 'it must not contain spaces, control characters or invisible ones';
  }
  if (!/^nqn\.[0-9]{4}-(0[1-9]|1[0-2])\./.test(text)) return 'a date such as 2026-11 must follow';
  if (!/^nqn\.[0-9]{4}-[0-9]{2}\.[^.:\s]+(\.[^.:\s]+)*(:[^]+)?$/.test(text)) {
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
  return isIPv6(text) ? /^ff[0-9a-f]{2}:/i.test(text) : /^(22[4-9]|2[3-5][0-9])\./.test(text);
}

/** Of a link-local address, which every interface may have: it needs the interface's name. */
function isZoneMissing(text: string): boolean {
  return isIPv6(text) && /^fe[89ab][0-9a-f]:/i.test(text) && !text.includes('%');
}

/** Whether it is an IPv4 address in the clothes of IPv6: the same address would have two names. */
function isMapped(text: string): boolean {
  return mappedIPv4(text.replace(/%.*/, '')) !== undefined;
}

function addressHint(text: string): string {
  if (/^\[.*\]$/.test(text)) return 'write it without brackets';
  if (text === '*') return 'write 0.0.0.0 or :: for all addresses';
  if (isZoneMissing(text)) {
    return `the zone is missing: write ${text}%eth0, with the name of the interface`;
  }
  if (isMulticast(text)) return 'it is of many machines at once, which TCP does not reach';
  const mapped = mappedIPv4(text.replace(/%.*/, ''));
  if (mapped !== undefined) return `write ${mapped}`;
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
  if (!new RegExp(hexadecimalPattern(digits)).test(text)) return undefined;
  return text.replaceAll('-', '').toLowerCase();
}

function parsePartition(text: string): string | undefined {
  if (!PARTITION.test(text)) return undefined;
  return UUID.test(text) ? text.toLowerCase() : text;
}

function partitionHint(text: string): string {
  if (/^-?[0-9]*$/.test(text)) return notationHint(text);
  if (!isPrintable(text)) return 'of a partition with such a name, write the number or the UUID';
  return text.length > PARTITION_NAME_MAX
    ? `a name has at most ${String(PARTITION_NAME_MAX)} characters`
    : '';
}

function matching(pattern: RegExp): Pick<Format, 'parse' | 'schema'> {
  return {
    parse: (text) => (pattern.test(text) ? text : undefined),
    schema: patternOf(pattern.source),
  };
}

function patternOf(pattern: string): Format['schema'] {
  return () => ({ pattern });
}

/** Hyphens may stand between digits. */
function hexadecimalPattern(digits: number): string {
  return `^${NOT_ZERO}[0-9a-fA-F](?:-?[0-9a-fA-F]){${String(digits - 1)}}$`;
}

function sizeSchema(node: SchemaNode): Record<string, unknown> {
  const [minimum = 0n, maximum = SIZE_MAX] = [node['x-least'], node['x-most']].map((text) =>
    text === undefined ? undefined : parseSize(text),
  );
  const pattern = sizePattern(minimum, maximum);
  return { pattern, minimum: Number(minimum), maximum: Number(maximum) };
}

/** A bare 0 needs no unit. */
function durationSchema(node: SchemaNode): Record<string, unknown> {
  const least = parseDuration(node['x-least'] ?? '0') ?? 0;
  const most = parseDuration(node['x-most'] ?? '') ?? Number.MAX_SAFE_INTEGER;
  const bare = least === 0 ? { type: ['string', 'integer'], minimum: 0, maximum: 0 } : {};
  return { ...bare, pattern: durationPattern(least, most) };
}

function patienceSchema(node: SchemaNode): Record<string, unknown> {
  const schema = durationSchema(node);
  return { ...schema, pattern: `^never$|${String(schema['pattern'])}` };
}

export const FORMATS: Readonly<Record<string, Format>> = {
  size: {
    expected: SIZE_EXPECTED,
    schema: sizeSchema,
    takesInteger: true,
    parse: parseSize,
    hint: sizeHint,
  },
  block_size: {
    expected: '512 or 4096',
    schema: () => ({
      type: undefined,
      anyOf: [
        { type: 'integer', enum: [512, 4096] },
        { type: 'string', pattern: '^(?:512|512 ?B|4096|4096 ?B|4 ?KiB)$' },
      ],
    }),
    takesInteger: true,
    parse: (text) => {
      const size = parseSize(text);
      return size === 512n || size === 4096n ? Number(size) : undefined;
    },
  },
  duration: {
    expected: DURATION_EXPECTED,
    schema: durationSchema,
    takesInteger: true,
    parse: parseDuration,
    hint: durationHint,
  },
  patience: {
    expected: PATIENCE_EXPECTED,
    schema: patienceSchema,
    takesInteger: true,
    parse: parsePatience,
    hint: durationHint,
  },
  probability: {
    expected: PROBABILITY_EXPECTED,
    schema: () => ({
      type: undefined,
      anyOf: [
        { type: 'number', minimum: 0, maximum: 1 },
        { type: 'string', pattern: PROBABILITY_PATTERN },
      ],
    }),
    takesFraction: true,
    parse: parseProbability,
    hint: probabilityHint,
  },
  nqn: {
    expected: 'an NQN such as nqn.2026-11.com.example:disk0',
    schema: () => ({ pattern: NQN_PATTERN, maxLength: nqnLengthMax }),
    parse: parseNqn,
    hint: nqnHint,
  },
  host_nqn: {
    expected: 'the NQN of a host, as /etc/nvme/hostnqn has it',
    schema: () => ({
      pattern: `^nqn\\.[^${foreignClass}]*$`,
      maxLength: nqnLengthMax,
    }),
    // Hosts with names that are not formed by the book exist.
    parse: (text) => (nqnFault(text) === null ? text : undefined),
    hint: (text) => (text.startsWith('nqn.') ? '' : 'it must begin with "nqn."'),
  },
  address: {
    expected: 'an IPv4 or IPv6 address',
    schema: patternOf(ADDRESS_PATTERN),
    parse: parseAddress,
    hint: addressHint,
  },
  host_port: {
    expected: 'an address and port such as 127.0.0.1:9920 or [::1]:9920',
    schema: patternOf(HOST_PORT_PATTERN),
    parse: parseHostPort,
    hint: hostPortHint,
  },
  host_name: {
    expected: 'a host name such as storage1.example.com',
    ...matching(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/),
    hint: (text) => (/:[0-9]+$/.test(text) ? 'without the port' : ''),
  },
  pci_address: {
    expected: 'a PCI address such as 0000:01:00.0',
    ...matching(/^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/),
    hint: (text) =>
      /^[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(text) ? `with its domain: 0000:${text}` : '',
  },
  name: {
    expected:
      'a name of 1 to 63 letters, digits, ".", "_" or "-", beginning with a letter or digit',
    ...matching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/),
  },
  serial: {
    expected: '1 to 20 printable ASCII characters without a space at either end',
    ...matching(SERIAL),
    // Numbers of as many characters.
    schema: () => ({
      type: ['string', 'integer'],
      pattern: SERIAL.source,
      minimum: -1e19,
      maximum: 1e20,
    }),
    takesInteger: true,
  },
  model: {
    expected: '1 to 40 printable ASCII characters without a space at either end',
    ...matching(/^[!-~]([ -~]{0,38}[!-~])?$/),
  },
  partition: {
    expected: `the number of a partition, from 1 to ${String(PARTITION_MAX)}, or its name or UUID`,
    schema: () => ({
      type: ['integer', 'string'],
      pattern: PARTITION.source,
      minimum: 1,
      maximum: PARTITION_MAX,
    }),
    takesInteger: true,
    parse: parsePartition,
    hint: partitionHint,
  },
  path: {
    expected: 'a file path',
    // eslint-disable-next-line no-control-regex
    ...matching(/^[^\u0000]+$/),
  },
  uuid: {
    expected: 'a UUID such as 6ba7b810-9dad-41d1-80b4-00c04fd430c8',
    schema: patternOf(`^${NOT_ZERO}${UUID_DIGITS}$`),
    parse: (text) =>
      UUID.test(text) && parseHexadecimal(text, 32) !== undefined ? text.toLowerCase() : undefined,
  },
  nguid: {
    expected: '32 hexadecimal digits, not all zero',
    schema: patternOf(hexadecimalPattern(32)),
    parse: (text) => parseHexadecimal(text, 32),
  },
  key_check: {
    expected: '16 hexadecimal digits',
    schema: patternOf('^[0-9a-fA-F]{16}$'),
    parse: (text) => (/^[0-9a-fA-F]{16}$/.test(text) ? text.toLowerCase() : undefined),
  },
  eui64: {
    expected: '16 hexadecimal digits, not all zero',
    schema: () => ({
      type: ['string', 'integer'],
      pattern: hexadecimalPattern(16),
      minimum: 1e15,
      exclusiveMaximum: 1e16,
    }),
    takesInteger: true,
    parse: (text) => parseHexadecimal(text, 16),
  },
};
