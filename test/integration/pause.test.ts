/**
 * The daemon's process is stopped for longer than its hosts' time-outs, as the pause of a virtual
 * machine stops everything in it. What hosts sent meanwhile lies in the sockets.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as elapse } from 'node:timers/promises';
import t from 'tap';
import { discoveryNqn } from '../../src/wire/layout.gen.js';
import { AdminQueue } from '../host/admin-queue.js';
import { until } from '../host/bounded.js';
import { PduLink } from '../host/pdu-link.js';
import { makeIcReq } from '../host/pdu.js';
import { TcpHost, makeIdentity } from '../host/tcp-host.js';
import { Daemon, configuration, discoveryLoopback, subsystemNqn } from './daemon.js';

/** So long that a machine with much to do lets the hosts live while nothing is stopped. */
const keepAliveTimeoutMs = 3000;
/** Longer than the time-outs, with the half second in which a reactor looks at them. */
const pauseMs = keepAliveTimeoutMs + 500;

const daemon = await Daemon.start(
  t,
  configuration({ engine: { reactors: 2, memory: '64MiB', connect_timeout: '1s' } }),
);

async function pause(meanwhile: () => void): Promise<void> {
  daemon.process.signal('SIGSTOP');
  await until('the process to be stopped', () =>
    readFileSync(`/proc/${daemon.pid}/stat`, 'utf8').includes(') T '),
  );
  meanwhile();
  // The pause itself.
  await elapse(pauseMs);
  daemon.process.signal('SIGCONT');
}

async function expired(): Promise<number> {
  return (await daemon.metrics()).sum('capsuled_keep_alive_expired_total');
}

async function missedSeconds(): Promise<number> {
  return (await daemon.metrics()).sum('capsuled_reactor_missed_seconds_total');
}

t.test('hosts that were alive while the daemon was stopped live on', async (t) => {
  const options = { keepAliveTimeoutMs };
  const hosts = await Promise.all(
    Array.from({ length: 8 }, () => TcpHost.connect(daemon.target(), subsystemNqn, options)),
  );
  const discovery = await AdminQueue.connect(
    daemon.listener(discoveryLoopback.address),
    makeIdentity(discoveryNqn),
    options,
  );
  const starting = await PduLink.open(daemon.target());
  const answers: Promise<void>[] = [];
  await pause(() => {
    for (const host of hosts) answers.push(host.admin.keepAlive());
    answers.push(discovery.keepAlive());
    starting.send(makeIcReq());
  });
  await Promise.all(answers);
  t.notOk(starting.isOver);
  for (const host of hosts) {
    await host.io.write(1n, Buffer.alloc(512, 5));
    await host.admin.keepAlive();
  }
  t.equal(await expired(), 0);
  t.ok((await missedSeconds()) >= 2 * (pauseMs / 1000 - 1), 'each of two reactors missed it');
  starting.destroy();
  await discovery.close();
  await Promise.all(hosts.map((host) => host.disconnect()));
  await daemon.idle();
});

t.test('a host that died while the daemon was stopped still expires', async (t) => {
  const before = await expired();
  const dead = await TcpHost.connect(daemon.target(), subsystemNqn, { keepAliveTimeoutMs });
  await pause(() => undefined);
  await dead.ended();
  t.equal((await expired()) - before, 1);
  await daemon.idle();
});
