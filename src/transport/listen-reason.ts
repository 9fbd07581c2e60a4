/** Why an address and port cannot be listened on, with the likely fix. */

import type { Endpoint } from '../engine/engine-types.js';

type Reason = (endpoint: Endpoint) => string;

const REASONS: Readonly<Record<string, Reason>> = {
  EADDRINUSE: () =>
    'something listens there already (`ss -ltnp` shows what); end that, or take another port',
  EADDRNOTAVAIL: () => 'this machine does not have the address (`ip address` shows those it has)',
  EACCES: ({ port }) =>
    `this user may not take port ${port}; take one above 1023, or give the process ` +
    'CAP_NET_BIND_SERVICE',
  EAFNOSUPPORT: () => 'this machine has IPv6 switched off',
  ENODEV: ({ address }) =>
    `this machine has no interface "${zoneOf(address)}" (\`ip link\` shows those it has)`,
  EINVAL: ({ address }) =>
    zoneOf(address) === ''
      ? `the address needs a zone, the name of an interface: ${address}%eth0`
      : 'it is no address that can be listened on',
};

/** Completes "could not listen on 127.0.0.1:4420: …". The code is a name of errno. */
export function listenReason(endpoint: Endpoint, thrown: unknown): string {
  const { code = '', message = String(thrown) } = thrown as Partial<NodeJS.ErrnoException>;
  return REASONS[code]?.(endpoint) ?? message;
}

function zoneOf(address: string): string {
  return address.split('%')[1] ?? '';
}
