/**
 * What `capsuled perf` measures: `tcp://ADDR:PORT/NQN[?nsid=N]`, `pcie://0000:01:00.0[?nsid=N]` or
 * `bdev:KIND?key=value&…`.
 */

import { isIPv4, isIPv6 } from 'node:net';

import { FORMATS } from '../config/formats.js';
import type { BdevLoadTarget, PcieLoadTarget, TcpLoadTarget } from '../engine/load-types.js';
import { TargetError } from '../errors.js';
import { nqnFault } from '../subsystem/nqn.js';
import { parseBdevTarget } from './perf-bdev-target.js';

/** Where the options say who the host is, and how it is connected. */
export type TcpPerfTarget = Pick<TcpLoadTarget, 'type' | 'address' | 'port' | 'subnqn' | 'nsid'>;

export type PerfTarget = TcpPerfTarget | PcieLoadTarget | BdevLoadTarget;

const portMax = 65_535;
const nsidMax = 0xffff_fffe;
const tcpForm = 'tcp://ADDRESS:PORT/NQN[?nsid=N]';
const pcieForm = 'pcie://0000:01:00.0[?nsid=N]';
const bdevForm = 'bdev:KIND?key=value&…';

/** Throws `argument_invalid` that names the part at fault. */
export function parsePerfTarget(text: string): PerfTarget {
  if (text.startsWith('bdev:')) return parseBdevTarget(text.slice('bdev:'.length));
  if (text.startsWith('pcie:')) return parsePcieTarget(text);
  if (text.startsWith('tcp:')) return parseTcpTarget(text);
  throw targetFault(`expected ${tcpForm}, ${pcieForm} or ${bdevForm}, got "${text}"`);
}

function parseTcpTarget(text: string): TcpPerfTarget {
  const match = /^tcp:\/\/(\[[^\]]+\]|[^/:]+):(\d+)\/([^?]+)(?:\?nsid=(.*))?$/.exec(text);
  if (match === null) throw targetFault(`expected ${tcpForm}, got "${text}"`);
  const [, host = '', portText = '', subnqn = '', nsidText = '1'] = match;
  const inBrackets = /^\[(.+)\]$/.exec(host)?.[1];
  const address = inBrackets ?? host;
  if (inBrackets === undefined ? !isIPv4(host) : !isIPv6(inBrackets)) {
    throw targetFault(`expected an IPv4 address or an IPv6 address in brackets, got "${host}"`);
  }
  const port = Number(portText);
  if (port < 1 || port > portMax) {
    throw targetFault(`expected a port from 1 to ${String(portMax)}, got ${portText}`);
  }
  const nqn = nqnFault(subnqn);
  if (nqn !== null) throw targetFault(`expected ${nqn} as the NQN, got "${subnqn}"`);
  return { type: 'tcp', address, port, subnqn, nsid: parseNsid(nsidText) };
}

function parsePcieTarget(text: string): PcieLoadTarget {
  const match = /^pcie:\/\/([^?]+)(?:\?nsid=(.*))?$/.exec(text);
  if (match === null) throw targetFault(`expected ${pcieForm}, got "${text}"`);
  const [, address = '', nsidText = '1'] = match;
  const format = FORMATS['pci_address'];
  if (format?.parse(address) === undefined) {
    const hint = format?.hint?.(address) ?? '';
    const tail = hint === '' ? '' : `; ${hint}`;
    throw targetFault(`expected ${format?.expected ?? ''}, got "${address}"${tail}`);
  }
  return { type: 'pcie', address, nsid: parseNsid(nsidText) };
}

function parseNsid(text: string): number {
  const nsid = Number(text);
  if (!/^\d+$/.test(text) || nsid < 1 || nsid > nsidMax) {
    throw targetFault(
      `expected a namespace ID from 1 to ${String(nsidMax)} for nsid, got "${text}"`,
    );
  }
  return nsid;
}

function targetFault(message: string): TargetError {
  return new TargetError('argument_invalid', `TARGET: ${message}`, { field: 'TARGET' });
}
