/**
 * A host that gives no name, as SPDK's perf does by default: every Connect of it has an empty
 * HOSTNQN, a host identifier of its own and a Keep Alive Timeout of 10 s.
 */

import t from 'tap';
import {
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  FabricsStatus,
  LogPage,
  cntlidDynamic,
  discoveryNqn,
} from '../../src/wire/layout.gen.js';
import { AdminQueue } from '../host/admin-queue.js';
import { makeConnect, openQueue } from '../host/queue.js';
import { commandSpecific } from '../host/status.js';
import { TcpHost, makeIdentity } from '../host/tcp-host.js';
import { Daemon, configuration, discoveryLoopback, subsystem, subsystemNqn } from './daemon.js';

const closedNqn = 'nqn.2026-11.com.example:closed';
const allowedHost = 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-000000000001';
const options = { hostNqn: '', keepAliveTimeoutMs: 10_000 };

const daemon = await Daemon.start(
  t,
  configuration({
    subsystems: [
      subsystem(),
      subsystem({ nqn: closedNqn, allow_any_host: false, hosts: [allowedHost], namespaces: [] }),
    ],
  }),
);

t.test('it is served where any host may connect, on every queue', async (t) => {
  const host = await TcpHost.connect(daemon.target(), subsystemNqn, { ...options, ioQueues: 2 });
  for (const [index, queue] of host.queues.entries()) {
    const payload = Buffer.alloc(4096, index + 1);
    await queue.write(BigInt(index * 8), payload);
    t.ok((await queue.read(BigInt(index * 8), 8)).equals(payload));
  }
  await host.admin.keepAlive();
  // Another host without a name is another host.
  const other = await TcpHost.connect(daemon.target(), subsystemNqn, options);
  t.not(other.admin.cntlid, host.admin.cntlid);
  await host.disconnect();
  await other.io.read(0n, 1);
  await other.disconnect();
  await daemon.idle();
});

t.test('it is refused where a list rules, as an invalid host', async (t) => {
  const queue = await openQueue(daemon.target(closedNqn));
  const { sqe, payload } = makeConnect(makeIdentity(closedNqn, ''), 0, cntlidDynamic);
  const { status } = await queue.submit({ sqe, payload });
  t.equal(status, commandSpecific(FabricsStatus.connectInvalidHost));
  await queue.close();
});

t.test('discovery shows it what any host may see', async (t) => {
  const address = daemon.listener(discoveryLoopback.address);
  const admin = await AdminQueue.connect(address, makeIdentity(discoveryNqn, ''));
  await admin.enable();
  const bytes = DiscoveryLogHeader.size + 8 * DiscoveryLogEntry.size;
  const payload = await admin.logPage({ lid: LogPage.discovery, bytes });
  const { numrec } = new DiscoveryLogHeader(payload.subarray(0, DiscoveryLogHeader.size));
  const names = Array.from({ length: Number(numrec) }, (_, index) => {
    const begin = DiscoveryLogHeader.size + index * DiscoveryLogEntry.size;
    const entry = payload.subarray(begin, begin + DiscoveryLogEntry.size);
    return new DiscoveryLogEntry(entry).subnqn;
  });
  t.strictSame(names.sort(), [discoveryNqn, subsystemNqn].sort());
  await admin.close();
});
