/**
 * Many connections: how long until hosts that come all at once are ready, what a connection at rest
 * costs in memory and time, and what throughput is left when each has one command outstanding.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import { ConnectedHosts } from '../connected-hosts.js';
import { Daemon } from '../daemon.js';
import { milliseconds, runPerf } from '../peers.js';
import { type Suite, type SuiteOptions, median, printTable } from '../suite.js';

/** 1,000 hosts, each with an admin queue and an I/O queue. */
async function storm({ directory, repetitions }: SuiteOptions) {
  const times: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const daemon = await Daemon.start({ kind: 'null', directory, connectionsMax: 16_384 });
    try {
      const hosts = await ConnectedHosts.connect(daemon, {
        processes: 1,
        hosts: 1000,
        ioQueues: 1,
      });
      times.push(hosts.milliseconds);
      await hosts.end();
    } finally {
      await daemon.stop();
    }
  }
  return { hosts: 1000, ready_ms: median(times), ready_ms_max: Math.max(...times) };
}

/** 2,000 hosts with four I/O queues each. */
async function idle({ directory, seconds }: SuiteOptions) {
  const daemon = await Daemon.start({ kind: 'null', directory, connectionsMax: 16_384 });
  try {
    await sleep(1000);
    const before = daemon.rssBytes();
    // Not all at once: one address has a sixteenth of all connections before Connect.
    const groups: ConnectedHosts[] = [];
    for (let group = 0; group < 4; group++) {
      groups.push(await ConnectedHosts.connect(daemon, { processes: 1, hosts: 500, ioQueues: 4 }));
    }
    const [connections = 0] = await daemon.sum('capsuled_connections');
    await sleep(1000);
    const cpuBefore = daemon.cpuSeconds();
    await sleep(seconds * 1000);
    const cores = (daemon.cpuSeconds() - cpuBefore) / seconds;
    const rss = daemon.rssBytes();
    await Promise.all(groups.map((group) => group.end()));
    return {
      connections,
      rss_bytes: rss,
      bytes_per_connection: (rss - before) / connections,
      cores,
    };
  } finally {
    await daemon.stop();
  }
}

/** What one controller grants. */
const queuesOfHost = 64;

/** One outstanding on each of 1 to 1,000 queues, of as many hosts as that takes. */
async function spread({ directory, repetitions, seconds }: SuiteOptions) {
  const counts = [1, 64, 1000];
  const daemon = await Daemon.start({ kind: 'null', directory });
  try {
    const iops = new Map<number, number[]>(counts.map((count) => [count, []]));
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const count of counts) {
        const hosts = Math.ceil(count / queuesOfHost);
        const load = ['--rw', 'randread', '--qd', 1, '--qpairs', Math.round(count / hosts)];
        // On one core: they must not spin.
        const how = ['--poll', 'interrupt', '--time', milliseconds(seconds)];
        const reports = await Promise.all(
          Array.from({ length: hosts }, () => runPerf(daemon.target, [...load, ...how])),
        );
        iops.get(count)?.push(reports.reduce((sum, { total }) => sum + total.iops, 0));
      }
    }
    return [...iops].map(([queues, all]) => ({ queues, iops: median(all) }));
  } finally {
    await daemon.stop();
  }
}

export const connections: Suite = {
  name: 'connections',
  help: 'a storm of 1,000 hosts, 10,000 idle connections, 1,000 queues of depth 1 (null)',
  defaults: { repetitions: 5, seconds: 2 },
  async run(options) {
    const stormed = await storm(options);
    const idled = await idle(options);
    const spreaded = await spread(options);
    const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
    printTable([
      ['1,000 hosts at once, ready after', `${stormed.ready_ms.toFixed(0)} ms`],
      ['  at worst', `${stormed.ready_ms_max.toFixed(0)} ms`],
      [`RSS with ${String(idled.connections)} idle connections`, `${mib(idled.rss_bytes)} MiB`],
      ['  more for each connection', `${(idled.bytes_per_connection / 1024).toFixed(1)} KiB`],
      ['  cores while nothing happens', idled.cores.toFixed(4)],
      ...spreaded.map(({ queues, iops }) => [
        `4 KiB reads, depth 1, ${String(queues)} queues`,
        `${iops.toFixed(0)} IOPS`,
      ]),
    ]);
    return { storm: stormed, idle: idled, spread: spreaded };
  },
};
