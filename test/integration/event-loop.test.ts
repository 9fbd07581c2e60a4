import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { CommandEvent } from '../../src/engine/engine-types.js';
import { until, waitMsMax, within } from '../host/bounded.js';
import { keepAlivesPerTimeout } from '../host/load.js';
import type { LoadReport } from '../host/load.js';
import { patternOf } from '../host/pattern.js';
import { TcpHost } from '../host/tcp-host.js';
import { startEngineTarget } from './engine-target.js';
import { subsystemNqn } from './daemon.js';

const loadScript = fileURLToPath(new URL('../host/load.js', import.meta.url));

/** The reports of another process, read without the event loop. */
class Reports {
  readonly file: string;
  readonly #fd: number;
  /** Wakes nobody. */
  readonly #nobody = new Int32Array(new SharedArrayBuffer(4));
  #rest = '';

  constructor(folder: string) {
    this.file = join(folder, 'reports');
    execFileSync('mkfifo', [this.file]);
    // For writing too, so that it can be opened before the other process has. A read that waited
    // would wait for ever if the other process died.
    this.#fd = openSync(this.file, constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** Nothing else happens in this process until the next report is there. */
  next(): LoadReport {
    const chunk = Buffer.alloc(4096);
    const end = performance.now() + waitMsMax;
    while (!this.#rest.includes('\n')) {
      const bytes = this.#readNow(chunk);
      this.#rest += chunk.toString('utf8', 0, bytes);
      if (bytes > 0) continue;
      if (performance.now() > end) throw new Error(`expected a report within ${waitMsMax} ms`);
      // This thread sleeps; its event loop goes on to stand still.
      Atomics.wait(this.#nobody, 0, 0, 1);
    }
    const [line = '', ...others] = this.#rest.split('\n');
    this.#rest = others.join('\n');
    if (line === '') throw new Error('the load failed');
    return JSON.parse(line) as LoadReport;
  }

  /** What is there: 0 bytes, if nothing is. */
  #readNow(chunk: Buffer): number {
    try {
      return readSync(this.#fd, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
      throw error;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

t.test('I/O and Keep Alive go on while the event loop stands still', async (t) => {
  const { target, address, transport } = await startEngineTarget(t);
  const reports = new Reports(t.testdir());
  t.teardown(() => {
    reports.close();
  });
  const parameters = [address.address, String(address.port), subsystemNqn, reports.file];
  const child = spawn(process.execPath, [loadScript, ...parameters], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'close');
  await within(once(child.stdout, 'data'), 'the load to run');

  const keepAlivesBefore = transport('keep_alive_commands');
  let last = reports.next();
  // For more than two time-outs nobody answers but the engine.
  for (let count = 0; count < 2 * keepAlivesPerTimeout + 1; count++) {
    const report = reports.next();
    if (report.operations === last.operations) t.fail('no I/O between two Keep Alives');
    last = report;
  }
  t.ok(transport('keep_alive_commands') - keepAlivesBefore > 2 * keepAlivesPerTimeout);
  t.equal(transport('keep_alive_expired'), 0);

  child.stdin.end();
  t.equal((await within(ended, 'the end of the load'))[0], 0);
  await until('no controllers', () => target.controllers.length === 0);
});

t.test('no I/O command passes through JavaScript', async (t) => {
  const { address, events, transport } = await startEngineTarget(t);
  const host = await TcpHost.connect(address, subsystemNqn, { ioQueues: 2 });
  const commandsOf = () =>
    events.filter((event): event is CommandEvent => event.type === 'command');
  const before = commandsOf().length;
  const controlBefore = transport('control_commands');
  t.equal(before, controlBefore, 'every other command does');
  for (let round = 0; round < 25; round++) {
    await Promise.all(
      host.queues.map(async (queue, index) => {
        const slba = BigInt(index * 256);
        const pattern = patternOf({ slba, generation: round }, 40);
        await queue.write(slba, pattern);
        await queue.read(slba, 40);
        await queue.compare(slba, pattern);
        await queue.writeZeroes({ slba, blocks: 8 });
        await queue.deallocate([{ slba, blocks: 8 }]);
        await queue.flush();
      }),
    );
    await host.admin.keepAlive();
  }
  t.equal(commandsOf().length, before);
  t.equal(transport('control_commands'), controlBefore);
  await host.admin.identifyController();
  t.equal(commandsOf().length, before + 1, 'and is seen when it does');
  await host.disconnect();
});

t.test('Asynchronous Event Requests are parked outside JavaScript', async (t) => {
  const { target, address, events } = await startEngineTarget(t);
  const host = await TcpHost.connect(address, subsystemNqn);
  const { answer } = host.admin.asynchronousEvent();
  await host.admin.keepAlive();
  const commands = events.filter(({ type }) => type === 'command').length;
  await target.update((current) => ({
    ...current,
    bdevs: [...current.bdevs, { name: 'ram1', kind: 'malloc', size: 2n ** 20n, block_size: 512 }],
  }));
  await target.namespaceAdd(subsystemNqn, { nsid: 2, bdev: 'ram1', readOnly: false });
  t.equal((await within(answer, 'an event')).status, 0);
  t.equal(events.filter(({ type }) => type === 'command').length, commands);
  await host.disconnect();
});
