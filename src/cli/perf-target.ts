/** What `capsuled perf` measures: `tcp://ADDR:PORT/NQN[?nsid=N]`. */

import { isIPv4, isIPv6 } from 'node:net';

import { TargetError } from '../errors.js';
import { nqnFault } from '../subsystem/nqn.js';

export interface PerfTarget {
  readonly address: string;
  readonly port: number;
  readonly subnqn: string;
  readonly nsid: number;
}

const portMax = 65_535;
const nsidMax = 0xffff_fffe;

/** Throws `argument_invalid` that names the part at fault. */
export function parsePerfTarget(text: string): PerfTarget {
  const match = /^tcp:\/\/(\[[^\]]+\]|[^/:]+):(\d+)\/([^?]+)(?:\?nsid=(.*))?$/.exec(text);
  if (match === null) {
    throw fault(`expected tcp://ADDRESS:PORT/NQN[?nsid=N], got "${text}"`);
  }
  const [, host = '', portText = '', subnqn = '', nsidText = '1'] = match;
  const inBrackets = /^\[(.+)\]$/.exec(host)?.[1];
  const address = inBrackets ?? host;
  if (inBrackets === undefined ? !isIPv4(host) : !isIPv6(inBrackets)) {
    throw fault(`expected an IPv4 address or an IPv6 address in brackets, got "${host}"`);
  }
  const port = Number(portText);
  if (port < 1 || port > portMax) {
    throw fault(`expected a port from 1 to ${String(portMax)}, got ${portText}`);
  }
  const nqn = nqnFault(subnqn);
  if (nqn !== null) throw fault(`expected ${nqn} as the NQN, got "${subnqn}"`);
  const nsid = Number(nsidText);
  if (!/^\d+$/.test(nsidText) || nsid < 1 || nsid > nsidMax) {
    throw fault(`expected a namespace ID from 1 to ${String(nsidMax)} for nsid, got "${nsidText}"`);
  }
  return { address, port, subnqn, nsid };
}

function fault(message: string): TargetError {
  return new TargetError('argument_invalid', `TARGET: ${message}`, { field: 'TARGET' });
}
