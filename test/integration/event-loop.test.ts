import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { CommandEvent } from '../../src/engine/engine-types.js';
import { until, within } from '../host/bounded.js';
import type { LoadReport } from '../host/load.js';
import { patternOf } from '../host/pattern.js';
import { TcpHost } from '../host/tcp-host.js';
import { startEngineTarget } from './engine-target.js';
import { subsystemNqn } from './daemon.js';

const loadScript = fileURLToPath(new URL('../host/load.js', import.meta.url));
const blockedMs = 5000;

interface StampedReport extends LoadReport {
  /** When it was read here; all that came while the loop stood still bear the same time. */
  readonly readAt: number;
}

/** Another process that does I/O and keeps its controller alive. */
function startLoad(address: string, port: number) {
  const child = spawn(process.execPath, [loadScript, address, String(port), subsystemNqn], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const reports: StampedReport[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      reports.push({ ...(JSON.parse(line) as LoadReport), readAt: performance.now() });
    }
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  return { child, reports, ended };
}

/** The average of what an interval had. */
function rateOf(reports: readonly LoadReport[]): number {
  return reports.reduce((sum, { operations }) => sum + operations, 0) / reports.length;
}

t.test('I/O and Keep Alive go on while the event loop stands still', async (t) => {
  const { target, engine, address, events, transport } = await startEngineTarget(t);
  const { child, reports, ended } = startLoad(address.address, address.port);
  t.teardown(() => child.kill('SIGKILL'));
  await until('the load to run', () => reports.length >= 5);
  const before = reports.slice(1).map((report) => ({ ...report }));
  const eventsBefore = events.length;
  const keepAlivesBefore = transport('keep_alive_commands');

  const blockedFrom = performance.now();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockedMs);
  const blockedUntil = performance.now();
  t.ok(blockedUntil - blockedFrom >= blockedMs - 1);
  t.equal(events.length, eventsBefore, 'JavaScript saw nothing');

  // What the other process wrote meanwhile is read in one go.
  const count = reports.length;
  await until('the reports of that time', () => reports.length >= count + 9);
  const during = reports.slice(count, count + 9);
  t.ok(
    during.every(({ operations }) => operations > 0),
    `no half second without I/O: ${during.map(({ operations }) => operations).join(' ')}`,
  );
  const ratio = rateOf(during) / rateOf(before);
  t.ok(ratio > 0.4 && ratio < 2.5, `rate ${rateOf(during)} against ${rateOf(before)} before`);
  t.ok(during.every(({ longestMs }) => longestMs < 2000));
  t.ok(transport('keep_alive_commands') - keepAlivesBefore >= 8);
  t.equal(transport('keep_alive_expired'), 0);

  child.stdin.end();
  t.equal(await within(ended, 'the end of the load'), 0);
  await until('no controllers', () => target.controllers.length === 0);
  t.equal(engine.reactorStats().length, 2);
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
  t.ok(commandsOf().every(({ qid }) => qid === 0 || commandsOf().length === before));
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
    bdevs: [...current.bdevs, { name: 'ram1', kind: 'malloc', size: 2n ** 20n, blockSize: 512 }],
  }));
  await target.namespaceAdd(subsystemNqn, { nsid: 2, bdev: 'ram1', readOnly: false });
  t.equal((await within(answer, 'an event')).status, 0);
  t.equal(events.filter(({ type }) => type === 'command').length, commands);
  await host.disconnect();
});
