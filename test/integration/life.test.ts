import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { AdminQueue } from '../host/admin-queue.js';
import { until, within } from '../host/bounded.js';
import { patternOf } from '../host/pattern.js';
import { PduLink } from '../host/pdu-link.js';
import { TcpHost, makeIdentity } from '../host/tcp-host.js';
import { Daemon, configuration, subsystemNqn } from './daemon.js';

const daemon = await Daemon.start(
  t,
  // Debug lines about thousands of connections would be read by nobody.
  configuration({ log: { level: 'info', format: 'json' } }),
  // Little room for garbage, so that memory in use and memory held are about the same.
  '--max-semi-space-size=1 --max-old-space-size=96',
);
const target = daemon.target();

/** Runs `work` for each of `count`, some at once. */
async function forEach(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Nothing is left of what came before; how much memory the daemon has then. */
async function restingBytes(descriptors: number): Promise<number> {
  await daemon.idle();
  await until('all file descriptors to be closed', () => daemon.fileDescriptorCount <= descriptors);
  return daemon.residentBytes;
}

await daemon.idle();
const descriptorsAtStart = daemon.fileDescriptorCount;

async function connectAndDisconnect(count: number): Promise<void> {
  await forEach(count, 8, async (index) => {
    const admin = await AdminQueue.connect(target, makeIdentity(subsystemNqn));
    if (index % 3 === 0) await admin.enable();
    if (index % 2 === 0) await admin.close();
    else admin.link.destroy();
  });
}

t.test('1,000 connects and disconnects leave nothing behind', async (t) => {
  // The first rounds fill caches, pools and the heap of JavaScript.
  await connectAndDisconnect(1000);
  await restingBytes(descriptorsAtStart);
  await connectAndDisconnect(1000);
  const before = await restingBytes(descriptorsAtStart);
  await connectAndDisconnect(1000);
  const after = await restingBytes(descriptorsAtStart);
  const growth = after - before;
  t.ok(growth < 16 * 2 ** 20, `resident memory grew by ${growth} bytes`);
  t.equal((await daemon.metrics()).sum('capsuled_connections_total'), 3000);
});

t.test('200 hosts with 4 I/O queues each are connected at once', async (t) => {
  const hosts: TcpHost[] = [];
  await forEach(200, 10, async () => {
    hosts.push(await TcpHost.connect(target, subsystemNqn, { ioQueues: 4, ioEntries: 32 }));
  });
  const metrics = await daemon.metrics();
  t.equal(metrics.sum('capsuled_connection_states', { state: 'live' }), 1000);
  t.equal(metrics.sum('capsuled_controllers'), 200);
  t.equal(new Set(hosts.map(({ admin }) => admin.cntlid)).size, 200);
  const perReactor = metrics
    .samples('capsuled_connection_states', { state: 'live' })
    .map(({ value }) => value);
  t.ok(Math.min(...perReactor) >= 400, `they are spread: ${perReactor.join(' ')}`);

  // Everybody does something at once, and gets it right.
  await within(
    Promise.all(
      hosts.flatMap(({ queues }, host) =>
        queues.map(async (queue, index) => {
          const slba = BigInt((host * 4 + index) * 32);
          const pattern = patternOf({ slba, generation: host }, 20);
          await queue.write(slba, pattern);
          if (!(await queue.read(slba, 20)).equals(pattern)) t.fail(`host ${host} differs`);
        }),
      ),
    ),
    'the I/O of all hosts',
    30_000,
  );
  await Promise.all(hosts.map((host) => host.disconnect()));
  await restingBytes(descriptorsAtStart);
});

/** Hosts that die at some point of their writes. */
async function killInWrites(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const hosts = await Promise.all(
      Array.from({ length: 6 }, () =>
        TcpHost.connect(target, subsystemNqn, {
          ioQueues: 2,
          digests: { header: round % 2 === 0, payload: round % 3 === 0 },
        }),
      ),
    );
    const ends = hosts.map(async (host, index) => {
      const work = host.queues.flatMap((queue) =>
        Array.from({ length: 12 }, async (_, lane) => {
          try {
            for (let count = 0; count < 1000; count++) {
              const blocks = [8, 64, 512][(lane + count) % 3]!;
              await queue.write(BigInt(lane * 512), Buffer.alloc(blocks * 512, lane));
              await queue.read(BigInt(lane * 512), blocks);
            }
          } catch {
            // As it was meant.
          }
        }),
      );
      // Some time into the first commands, and a different one each time.
      for (let turn = 0; turn < (round * 7 + index * 3) % 40; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (index % 3 === 0) for (const { link } of host.queues) link.reset();
      if (index % 3 === 1) for (const { link } of host.queues) link.send(Buffer.alloc(11));
      host.kill();
      await Promise.all(work);
    });
    await within(Promise.all(ends), 'the end of killed hosts');
  }
}

t.test('hosts killed in the middle of writes leave nothing behind', async (t) => {
  const bystander = await TcpHost.connect(target, subsystemNqn);
  await killInWrites(5);
  await killInWrites(5);
  const pattern = patternOf({ slba: 100_000n, generation: 3 }, 64);
  await bystander.io.write(100_000n, pattern);
  t.ok((await bystander.io.read(100_000n, 64)).equals(pattern), 'a bystander goes on');
  await bystander.disconnect();
  const before = await restingBytes(descriptorsAtStart);
  await killInWrites(10);
  const growth = (await restingBytes(descriptorsAtStart)) - before;
  t.ok(growth < 16 * 2 ** 20, `resident memory grew by ${growth} bytes`);
});

t.test('connections that stop at any point of their beginning leave nothing behind', async () => {
  const links: PduLink[] = [];
  for (let bytes = 0; bytes <= 128; bytes += 8) {
    const link = await PduLink.open(target);
    link.send(Buffer.alloc(bytes));
    links.push(link);
  }
  await forEach(200, 20, async () => {
    const link = await PduLink.initialize(target);
    link.destroy();
  });
  for (const link of links) link.destroy();
  await restingBytes(descriptorsAtStart);
});

t.test('strangers hold their share of the places, and no host out', async (t) => {
  const small = await Daemon.start(
    t,
    configuration({ engine: { reactors: 2, memory: '64MiB', connections_max: 16 } }),
  );
  const links: PduLink[] = [];
  for (let count = 0; count < 40; count++) links.push(await PduLink.open(small.target()));
  const refused = await until('the refusals', () => {
    const over = links.filter((link) => link.isOver).length;
    return over >= 32 && over;
  });
  t.equal(refused, 32);
  const labels = { resource: 'connections', class: 'before_connect' };
  t.equal((await small.metrics()).sum('capsuled_peer_limit_total', labels), 32);
  const host = await TcpHost.connect(small.target(), subsystemNqn);
  await host.io.read(0n, 1);
  await host.disconnect();
  for (const link of links) link.destroy();
  await small.idle();
});

t.test('SIGUSR1 opens no debugger', async (t) => {
  const { process: daemonProcess } = await Daemon.start(t);
  const before = listeningPorts(daemonProcess.pid);
  process.kill(daemonProcess.pid, 'SIGUSR1');
  await until('its line', () => daemonProcess.lines.some(({ msg }) => msg.includes('SIGUSR1')));
  t.strictSame(listeningPorts(daemonProcess.pid), before);
  t.notMatch(daemonProcess.errorText, 'Debugger listening');
  t.ok(daemonProcess.isRunning);
});

t.test('more connections than there may be open files are said at the start', async (t) => {
  const engine = { reactors: 1, memory: '64MiB', connections_max: 65536 };
  const daemon = await Daemon.start(t, configuration({ engine }));
  const limits = readFileSync(`/proc/${daemon.process.pid}/limits`, 'utf8');
  const [, soft = '', hard = ''] = /^Max open files +(\d+) +(\d+)/m.exec(limits) ?? [];
  t.equal(soft, hard, 'the soft limit was raised');
  const line = daemon.process.lines.find((one) => one['key'] === 'engine.connections_max');
  if (Number(hard) >= 80_000) {
    t.equal(line, undefined);
    return;
  }
  t.match(line, { level: 'warn', open_files_max: Number(hard) });
  t.ok(Number(line?.['connections_max']) < Number(hard));
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  await host.disconnect();
});

/** TCP ports on which a process listens. */
function listeningPorts(pid: number): number[] {
  const links = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  const own = new Set(links);
  const tables = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8'));
  return tables
    .flatMap((table) => table.split('\n').slice(1))
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && own.has(`socket:[${inode}]`))
    .map(([, local = '']) => parseInt(local.split(':')[1] ?? '', 16))
    .sort((a, b) => a - b);
}
