/**
 * A host as a process of its own, for tests whose own event loop must stand still:
 *
 *     node load.js ADDRESS PORT NQN REPORTS
 *
 * Verifies its I/O, sends Keep Alive several times in each time-out, and writes a line of JSON, a
 * {@link LoadReport}, to the file REPORTS after each of them. It says "running" on standard output
 * once its queues are connected, and ends when its standard input does. Whatever goes wrong, or
 * does not go on, is an exit status of 1 and an empty line as the last report.
 */

import { once } from 'node:events';
import { openSync, writeSync } from 'node:fs';
import { within } from './bounded.js';
import { patternOf } from './pattern.js';
import { TcpHost } from './tcp-host.js';

/** What has happened so far. */
export interface LoadReport {
  readonly operations: number;
  readonly keepAlives: number;
}

const lanes = 8;
export const keepAliveTimeoutMs = 1000;
export const keepAlivesPerTimeout = 8;

async function run(
  { address, port, nqn }: { address: string; port: number; nqn: string },
  report: (report: LoadReport) => void,
): Promise<void> {
  const host = await TcpHost.connect({ address, port }, nqn, { ioQueues: 2, keepAliveTimeoutMs });
  let isWanted = true;
  let operations = 0;
  process.stdout.write('running\n');

  const io = Array.from({ length: lanes }, async (_, lane) => {
    const queue = host.queues[lane % host.queues.length]!;
    const slba = BigInt(lane * 128);
    for (let generation = 1; isWanted; generation++) {
      const pattern = patternOf({ slba, generation }, 24);
      await within(queue.write(slba, pattern), 'the end of a write');
      const back = await within(queue.read(slba, 24), 'the end of a read');
      if (!back.equals(pattern)) throw new Error(`lane ${lane} read other data than it wrote`);
      operations += 2;
    }
  });
  const beat = async (): Promise<void> => {
    for (let keepAlives = 1; isWanted; keepAlives++) {
      await within(host.admin.keepAlive(), 'the end of a Keep Alive');
      report({ operations, keepAlives });
      await new Promise((resolve) =>
        setTimeout(resolve, keepAliveTimeoutMs / keepAlivesPerTimeout),
      );
    }
  };
  const work = Promise.all([...io, beat()]);
  process.stdin.resume();
  await Promise.race([once(process.stdin, 'end'), work]);
  isWanted = false;
  await work;
  await host.disconnect();
}

const [, script = '', address = '', port = '', nqn = '', file = ''] = process.argv;
if (script.endsWith('load.js')) {
  const reports = openSync(file, 'w');
  try {
    await run({ address, port: Number(port), nqn }, (report) => {
      writeSync(reports, `${JSON.stringify(report)}\n`);
    });
  } catch (error) {
    console.error(error);
    writeSync(reports, '\n');
    process.exit(1);
  }
}
