import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../host/bounded.js';
import { patternOf } from '../host/pattern.js';
import { TcpHost } from '../host/tcp-host.js';
import {
  Daemon,
  configuration,
  loopback,
  makeFolder,
  occupiedPort,
  runToEnd,
  subsystem,
  subsystemNqn,
} from './daemon.js';
import type { Configuration } from './daemon.js';

function fileConfiguration(folder: string, overrides: Configuration = {}): Configuration {
  const path = join(folder, 'disk0.img');
  const bdev = { name: 'file0', kind: 'uring', path, size: '16MiB', block_size: 512 };
  return configuration({
    bdevs: [{ ...bdev, create: true, ...overrides }],
    subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'file0' }] })],
  });
}

t.test('what was flushed survives the death of the daemon', async (t) => {
  const folder = makeFolder(t);
  const config = fileConfiguration(folder);
  const first = await Daemon.startIn(t, folder, config);
  const host = await TcpHost.connect(first.target(), subsystemNqn, { ioEntries: 33 });
  const { io } = host;
  const sizes = [1, 8, 17, 100, 2048];
  const places = sizes.map((blocks, index) => ({ slba: BigInt(1 + index * 3000), blocks }));
  for (const { slba, blocks } of places) {
    await io.write(slba, patternOf({ slba, generation: 5 }, blocks));
  }
  await io.writeZeroes({ slba: 20n, blocks: 10 });
  await io.deallocate([{ slba: 9050n, blocks: 20 }]);
  await io.flush();
  await io.write(30_000n, patternOf({ slba: 30_000n, generation: 6 }, 16), {
    forceUnitAccess: true,
  });
  // Writes that nobody promised anything about are under way when it dies.
  const underWay = Array.from({ length: 16 }, (_, index) =>
    io.write(BigInt(20_000 + index * 64), Buffer.alloc(32768, index)).catch(() => null),
  );
  await first.kill();
  await Promise.all(underWay);
  await host.ended();

  const second = await Daemon.startIn(t, folder, config);
  const again = await TcpHost.connect(second.target(), subsystemNqn);
  for (const { slba, blocks } of places) {
    const expected = patternOf({ slba, generation: 5 }, blocks);
    if (slba === 9001n) expected.fill(0, 49 * 512, 69 * 512);
    const back = await again.io.read(slba, blocks);
    t.ok(back.equals(expected), `${blocks} blocks at ${slba}`);
  }
  t.ok((await again.io.read(20n, 10)).equals(Buffer.alloc(5120)));
  const forced = patternOf({ slba: 30_000n, generation: 6 }, 16);
  t.ok((await again.io.read(30_000n, 16)).equals(forced), 'FUA');
  await again.disconnect();
  t.equal(statSync(join(folder, 'disk0.img')).size, 16 * 2 ** 20);
  t.same(await second.stop(), { status: 0, signal: null });
});

t.test('a file has the same identities after a restart', async (t) => {
  const folder = makeFolder(t);
  const identities: unknown[] = [];
  for (let round = 0; round < 2; round++) {
    const daemon = await Daemon.startIn(t, folder, fileConfiguration(folder));
    const { admin } = await TcpHost.connect(daemon.target(), subsystemNqn);
    const { sn, mn } = await admin.identifyController();
    const descriptors = await admin.identify({ cns: 3, nsid: 1 });
    identities.push({ sn, mn, descriptors: descriptors.toString('hex') });
    await daemon.kill();
    await admin.link.closed();
  }
  t.same(identities[0], identities[1]);
});

t.test('SIGTERM drains what is in flight', async (t) => {
  const folder = makeFolder(t);
  const daemon = await Daemon.startIn(t, folder, fileConfiguration(folder));
  const host = await TcpHost.connect(daemon.target(), subsystemNqn, { ioEntries: 65 });
  const { io } = host;
  const done = new Array<number>(32).fill(0);
  let isOver = false;
  const lanes = done.map(async (_, lane) => {
    try {
      for (let generation = 1; generation < 10_000; generation++) {
        const slba = BigInt(lane * 64);
        await io.write(slba, patternOf({ slba, generation }, 64));
        done[lane] = generation;
      }
    } catch {
      isOver = true;
    }
  });
  await until('every lane to be at work', () => !done.includes(0));
  t.same(await daemon.stop(), { status: 0, signal: null });
  await Promise.all(lanes);
  t.ok(isOver);
  t.equal(daemon.process.lines.at(-1)?.msg, 'stopped');
  t.notOk(daemon.process.lines.some(({ level }) => level === 'error' || level === 'fatal'));

  const again = await Daemon.startIn(t, folder, fileConfiguration(folder));
  const reader = await TcpHost.connect(again.target(), subsystemNqn);
  for (const [lane, generation] of done.entries()) {
    const slba = BigInt(lane * 64);
    const back = await reader.io.read(slba, 64);
    // Blocks of the last write that was answered, or of the one behind it.
    for (let block = 0; block < 64; block++) {
      const at = slba + BigInt(block);
      const got = back.subarray(block * 512, (block + 1) * 512);
      const isThere = [generation, generation + 1].some((each) =>
        got.equals(patternOf({ slba: at, generation: each }, 1)),
      );
      if (!isThere) t.fail(`lane ${lane} block ${block} lost generation ${generation}`);
    }
  }
  await reader.disconnect();
});

t.test('two signals stop at once', async (t) => {
  const daemon = await Daemon.start(t);
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  daemon.process.signal('SIGINT');
  daemon.process.signal('SIGTERM');
  const { signal } = await daemon.process.exit();
  t.equal(signal, null);
  await host.ended();
});

interface StartError {
  readonly name: string;
  readonly config: (folder: string) => Configuration | string;
  /** On standard error, or as a log line. */
  readonly expected: RegExp;
}

const startErrors: StartError[] = [
  {
    name: 'a configuration that is not YAML',
    config: () => 'version: 1\nbdevs: [}',
    expected: /config\.yaml:2:\d+: error: /,
  },
  {
    name: 'an unknown key',
    config: () => configuration({ bdefs: [] }),
    expected: /config\.yaml:\d+:\d+: error: .*bdefs.*bdevs/s,
  },
  {
    name: 'a namespace on a bdev that is not there',
    config: () => configuration({ bdevs: [] }),
    expected: /subsystems\[0\]\.namespaces\[0\]\.bdev: expected .*"ram0"/,
  },
  {
    name: 'a file that is not there',
    config: (folder) => {
      const { bdevs, ...rest } = fileConfiguration(folder);
      const [bdev] = bdevs as Configuration[];
      return { ...rest, bdevs: [{ ...bdev, create: false }] };
    },
    expected: /capsuled cannot start: bdevs\[0\].*disk0\.img/,
  },
  {
    name: 'a file of another size',
    config: (folder) => {
      writeFileSync(join(folder, 'disk0.img'), Buffer.alloc(1000));
      return fileConfiguration(folder, { create: false });
    },
    expected: /capsuled cannot start: bdevs\[0\].*size/,
  },
];

for (const { name, config, expected } of startErrors) {
  t.test(`the daemon does not start with ${name}`, async (t) => {
    const folder = makeFolder(t);
    const { process, ended } = await runToEnd(t, config(folder), folder);
    t.same(ended, { status: 1, signal: null });
    const output = [process.errorText, ...process.lines.map(({ msg }) => msg)].join('\n');
    t.match(output, expected);
    t.notMatch(output, /\n\s+at .*\.js:\d+/, 'no stack: it is not a defect');
  });
}

t.test('the daemon does not start on a port that somebody else has', async (t) => {
  const port = await occupiedPort(t);
  const config = configuration({ subsystems: [subsystem({ listeners: [{ ...loopback, port }] })] });
  const { process, ended } = await runToEnd(t, config);
  t.same(ended, { status: 1, signal: null });
  const line = process.lines.at(-1);
  t.match(line?.msg, /^capsuled cannot start: subsystems\[0\]\.listeners\[0\]: /);
  t.match(line?.msg, `could not listen on 127.0.0.1:${port}: something listens there already`);
  t.match(line?.msg, /ss -ltnp/, 'and says how to find out who');
});

t.test('an address that is not of this machine is said once, with the likely fix', async (t) => {
  const listener = { ...loopback, address: '192.0.2.77', port: 4420 };
  const reason =
    'could not listen on 192.0.2.77:4420: this machine does not have the address (`ip address` shows those it has)';
  const cases = [
    ['subsystems[0].listeners[0]', { subsystems: [subsystem({ listeners: [listener] })] }],
    ['admin.listen', { admin: { listen: '192.0.2.77:4420', token_file: 'token' } }],
  ] as const;
  for (const [key, overrides] of cases) {
    const folder = makeFolder(t);
    writeFileSync(join(folder, 'token'), 'a-token-of-some-length');
    const { process, ended } = await runToEnd(t, configuration(overrides), folder);
    t.same(ended, { status: 1, signal: null });
    const line = process.lines.find(({ msg }) => msg.startsWith('capsuled cannot start'));
    t.equal(line?.['key'], key);
    t.equal(
      line?.msg.replace(/; nothing has changed$/, ''),
      `capsuled cannot start: ${key}: ${reason}`,
    );
  }
});

t.test('the daemon does not start without its admin port', async (t) => {
  const port = await occupiedPort(t);
  const config = configuration({ admin: { listen: `127.0.0.1:${port}` } });
  const { process, ended } = await runToEnd(t, config);
  t.same(ended, { status: 1, signal: null });
  t.match(process.lines.find(({ level }) => level === 'fatal')?.msg, String(port));
});
