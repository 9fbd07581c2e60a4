/**
 * Many hosts in one process, for connected-hosts.ts:
 *
 *     node hosts.js PORT NQN HOSTS IO_QUEUES
 *
 * Connects all of them at once, prints the ms that it took as one line, and keeps them until its
 * standard input ends.
 */

import { once } from 'node:events';

import { TcpHost } from '../test/host/tcp-host.js';

const [, , port = '', nqn = '', hosts = '', ioQueues = ''] = process.argv;
const target = { address: '127.0.0.1', port: Number(port) };
const began = performance.now();
const connected = await Promise.all(
  Array.from({ length: Number(hosts) }, () =>
    TcpHost.connect(target, nqn, { ioQueues: Number(ioQueues), ioEntries: 32 }),
  ),
);
process.stdout.write(`${(performance.now() - began).toFixed(0)}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await Promise.all(connected.map((host) => host.disconnect()));
