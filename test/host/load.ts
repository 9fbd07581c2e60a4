/**
 * A host as a process of its own, for tests whose own event loop must stand still:
 *
 *     node load.js ADDRESS PORT NQN
 *
 * Verifies its I/O and sends Keep Alive every half second; prints one JSON line for each half
 * second, and ends when its standard input does. Whatever goes wrong is an exit status of 1.
 */

import { once } from 'node:events';
import { patternOf } from './pattern.js';
import { TcpHost } from './tcp-host.js';

/** What happened in one half second. */
export interface LoadReport {
  readonly operations: number;
  readonly keepAlives: number;
  /** The longest that an operation took, ms. */
  readonly longestMs: number;
}

const reportMs = 500;
const lanes = 8;

async function run(address: string, port: number, nqn: string): Promise<void> {
  const options = { ioQueues: 2, keepAliveTimeoutMs: 2000 };
  const host = await TcpHost.connect({ address, port }, nqn, options);
  let isWanted = true;
  let operations = 0;
  let keepAlives = 0;
  let longestMs = 0;

  const work = Array.from({ length: lanes }, async (_, lane) => {
    const queue = host.queues[lane % host.queues.length]!;
    const slba = BigInt(lane * 128);
    for (let generation = 1; isWanted; generation++) {
      const began = performance.now();
      const pattern = patternOf({ slba, generation }, 24);
      await queue.write(slba, pattern);
      const back = await queue.read(slba, 24);
      if (!back.equals(pattern)) throw new Error(`lane ${lane} read other data than it wrote`);
      operations += 2;
      longestMs = Math.max(longestMs, performance.now() - began);
      // A pace that leaves the processors to the target.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
  const reports = setInterval(() => {
    process.stdout.write(`${JSON.stringify({ operations, keepAlives, longestMs })}\n`);
    operations = keepAlives = longestMs = 0;
    host.admin.keepAlive().then(
      () => keepAlives++,
      () => process.exit(1),
    );
  }, reportMs);

  process.stdin.resume();
  await Promise.race([once(process.stdin, 'end'), Promise.all(work)]);
  isWanted = false;
  clearInterval(reports);
  await Promise.all(work);
  await host.disconnect();
}

const [, , address = '', port = '', nqn = ''] = process.argv;
await run(address, Number(port), nqn);
