import t from 'tap';
import { DiscoveryLogEntry, LogPage, discoveryNqn } from '../../src/wire/layout.gen.js';
import { AdminQueue } from '../host/admin-queue.js';
import { TcpHost, makeIdentity } from '../host/tcp-host.js';
import { Daemon, configuration, loopback, subsystem, subsystemNqn } from './daemon.js';

interface Peer {
  readonly peer: { readonly address: string };
}

const entryBytes = 1024;

t.test(
  ':: takes hosts by IPv4 too, who are known and answered by their IPv4 addresses',
  async (t) => {
    const listeners = [{ ...loopback, address: '::' }];
    const daemon = await Daemon.start(t, configuration({ subsystems: [subsystem({ listeners })] }));
    const { port } = daemon.target();
    for (const [address, before] of [
      ['127.0.0.1', undefined],
      ['::1', '127.0.0.1'],
    ] as const) {
      const host = await TcpHost.connect({ address, port }, subsystemNqn);
      const response = await daemon.get('/v1/connections');
      const { items } = (await response.json()) as { items: Peer[] };
      // The connections of the host before may not be over yet.
      const peers = new Set(
        items.map(({ peer }) => peer.address).filter((peer) => peer !== before),
      );
      t.strictSame([...peers], [address]);
      await host.disconnect();
      const discovery = await AdminQueue.connect({ address, port }, makeIdentity(discoveryNqn));
      await discovery.enable();
      const log = await discovery.logPage({ lid: LogPage.discovery, bytes: 3 * entryBytes });
      const entry = new DiscoveryLogEntry(log.subarray(2 * entryBytes));
      t.equal(entry.subnqn, subsystemNqn);
      t.equal(entry.traddr, address, 'and told to come back to the address that they came to');
      await discovery.close();
    }
  },
);
