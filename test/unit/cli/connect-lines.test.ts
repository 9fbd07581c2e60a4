import type { NetworkInterfaceInfo } from 'node:os';
import t from 'tap';
import { connectLines, readyListeners } from '../../../src/cli/connect-lines.js';
import type { ListenerView } from '../../../src/subsystem/views.js';

const NQN = 'nqn.2026-11.x:a';

function listener(address: string): ListenerView {
  const endpoint = { address, port: 4420 };
  return {
    listener: 1,
    configured: endpoint,
    actual: endpoint,
    portId: 1,
    discovery: false,
    subsystems: [NQN],
    connectionCount: 0,
  };
}

function interfaces(addresses: Readonly<Record<string, readonly string[]>>) {
  return Object.fromEntries(
    Object.entries(addresses).map(([name, list]) => [
      name,
      list.map((address) => ({
        address,
        family: address.includes(':') ? 'IPv6' : 'IPv4',
        internal: name === 'lo',
      })) as NetworkInterfaceInfo[],
    ]),
  );
}

const loopback = { lo: ['127.0.0.1', '::1'] };

for (const [address, addresses, shown] of [
  ['192.0.2.1', {}, '192.0.2.1'],
  ['0.0.0.0', { eth0: ['fe80::1', '2001:db8::1', '192.0.2.1'] }, '192.0.2.1'],
  ['0.0.0.0', { eth0: ['2001:db8::1'] }, '127.0.0.1'],
  ['::', { eth0: ['192.0.2.1', 'fe80::1', '2001:db8::1'] }, '2001:db8::1'],
  ['::', { eth0: ['fe80::1', '192.0.2.1'] }, '192.0.2.1'],
  ['::', {}, '::1'],
] as const) {
  t.test(`a host is told to connect to ${shown}, for a listener on ${address}`, async (t) => {
    t.strictSame(connectLines([listener(address)], interfaces({ ...loopback, ...addresses })), [
      `nvme connect -t tcp -a ${shown} -s 4420 -n ${NQN}`,
    ]);
  });
}

for (const [address, addresses] of [
  ['fe80::1%eth0', {}],
  ['::', { eth0: ['fe80::1'] }],
] as const) {
  t.test(`a link-local address on ${address} has its zone, which is the host's own`, async (t) => {
    t.strictSame(connectLines([listener(address)], interfaces({ ...loopback, ...addresses })), [
      `nvme connect -t tcp -a fe80::1%eth0 -s 4420 -n ${NQN}  # for eth0, the interface of the host`,
    ]);
  });
}

t.test('the ready line has the first listeners, each with its first subsystems', async (t) => {
  const subsystems = Array.from({ length: 4000 }, (_, index) => `nqn.2026-11.x:${index}`);
  const listeners = Array.from({ length: 30 }, () => ({ ...listener('192.0.2.1'), subsystems }));
  const ready = readyListeners(listeners);
  t.equal(ready.length, 20);
  t.strictSame(ready[0], {
    address: '192.0.2.1',
    port: 4420,
    subsystems: [...subsystems.slice(0, 20), '… and 3,980 more'],
  });
});
