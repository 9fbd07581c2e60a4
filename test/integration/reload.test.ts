import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../host/bounded.js';
import { patternOf } from '../host/pattern.js';
import { generic } from '../host/status.js';
import { TcpHost } from '../host/tcp-host.js';
import { GenericStatus } from '../../src/wire/layout.gen.js';
import {
  Daemon,
  DaemonProcess,
  adminWithToken,
  configuration,
  loopback,
  makeFolder,
  subsystem,
  subsystemNqn,
  writeConfiguration,
} from './daemon.js';
import type { Configuration } from './daemon.js';

const ram0 = { name: 'ram0', kind: 'malloc', size: '64MiB', block_size: 512 };

t.test(
  'a host goes on writing while its namespace becomes read-only and writable again',
  async (t) => {
    const daemon = await Daemon.start(t);
    const host = await TcpHost.connect(daemon.target(), subsystemNqn);
    const pattern = patternOf({ slba: 8n, generation: 1 }, 8);
    await host.io.write(8n, pattern);
    const reader = { isOver: false };
    let reads = 0;
    const reading = (async () => {
      while (!reader.isOver) {
        if (!(await host.io.read(8n, 8)).equals(pattern)) t.fail('other data');
        reads += 1;
      }
    })();
    for (let round = 0; round < 10; round++) {
      const before = reads;
      const readOnly = round % 2 === 0;
      const namespaces = [{ nsid: 1, bdev: 'ram0', read_only: readOnly }];
      const line = await daemon.reload(configuration({ subsystems: [subsystem({ namespaces })] }));
      t.match(line, { msg: 'reloaded', changes: 1 });
      const written = patternOf({ slba: 64n, generation: round }, 8);
      if (readOnly) {
        const refused = generic(GenericStatus.namespaceWriteProtected);
        t.equal((await host.io.tryWrite(64n, written)).status, refused);
      } else {
        await host.io.write(64n, written);
        t.ok((await host.io.read(64n, 8)).equals(written), 'what it wrote is there');
      }
      await until('reads go on', () => reads > before + 10);
    }
    reader.isOver = true;
    await reading;
    await host.disconnect();
  },
);

t.test('a reload that would cut off a host, or empty a RAM disk, is refused', async (t) => {
  const daemon = await Daemon.start(t);
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  const pattern = patternOf({ slba: 0n, generation: 3 }, 8);
  await host.io.write(0n, pattern);
  const text = JSON.stringify(configuration());
  for (const desired of [
    configuration({ subsystems: [] }),
    configuration({ bdevs: [{ ...ram0, size: '32MiB' }] }),
    configuration({ subsystems: [subsystem({ namespaces: [] })] }),
  ]) {
    const line = await daemon.reload(desired);
    t.match(line.msg, /^the configuration was not applied: nothing has changed/);
    t.match(line, { code: 'permission_needed' });
    t.ok((await host.io.read(0n, 8)).equals(pattern), 'the host reads what it wrote');
  }
  t.match(await daemon.reload(JSON.parse(text) as Configuration), { msg: 'reloaded', changes: 0 });
  await host.disconnect();
});

t.test('a port that is taken refuses a reload before any RAM disk is touched', async (t) => {
  const other = await Daemon.start(t);
  const { port } = other.target();
  const daemon = await Daemon.start(t, configuration({ bdevs: [{ ...ram0, disposable: true }] }));
  const pattern = patternOf({ slba: 0n, generation: 3 }, 8);
  const first = await TcpHost.connect(daemon.target(), subsystemNqn);
  await first.io.write(0n, pattern);
  await first.disconnect();
  await daemon.idle();
  const desired = configuration({
    bdevs: [{ ...ram0, size: '32MiB', disposable: true }],
    subsystems: [subsystem({ listeners: [loopback, { ...loopback, port }] })],
  });
  t.match((await daemon.reload(desired)).msg, /could not listen on .*; nothing has changed$/);
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  t.ok((await host.io.read(0n, 8)).equals(pattern), 'the content is there');
  await host.disconnect();
});

t.test(
  'a missing disk is unavailable, the rest is served, and it comes when it is there',
  async (t) => {
    const folder = makeFolder(t);
    const away = join(folder, 'away.img');
    const path = join(folder, 'disk0.img');
    writeFileSync(away, Buffer.alloc(1 << 20));
    const daemon = await Daemon.startIn(
      t,
      folder,
      configuration({
        bdevs: [ram0, { name: 'file0', kind: 'uring', path, block_size: 512 }],
        subsystems: [
          subsystem({
            namespaces: [
              { nsid: 1, bdev: 'ram0' },
              { nsid: 2, bdev: 'file0' },
            ],
          }),
        ],
      }),
    );
    const host = await TcpHost.connect(daemon.target(), subsystemNqn);
    await host.io.read(0n, 8);
    const { lines } = daemon.process;
    t.notOk(
      lines.some(({ msg }) => /^create bdev file0/.test(msg)),
      'it was not made',
    );
    t.ok(lines.some(({ msg }) => /file0: .*; its namespaces are unavailable$/.test(msg)));
    const unready = await daemon.get('/readyz');
    t.equal(unready.status, 503);
    t.match(await unready.json(), {
      reasons: [/^bdevs\[1\]: could not open bdev file0: .*disk0\.img/],
    });
    t.match(await (await daemon.get('/v1/bdevs')).json(), {
      items: [
        { name: 'file0', state: 'unavailable' },
        { name: 'ram0', state: 'ok' },
      ],
    });
    renameSync(away, path);
    await daemon.process.line('the disk', ({ msg }) => msg === 'bdev file0 is available');
    t.equal((await daemon.get('/readyz')).status, 200);
    await host.disconnect();
  },
);

t.test('capsuled apply gives the permission that SIGHUP cannot', async (t) => {
  const folder = makeFolder(t);
  const admin = adminWithToken;
  const tokenFile = join(folder, admin.token_file);
  const daemon = await Daemon.startIn(t, folder, configuration({ admin }));
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  const file = writeConfiguration(folder, configuration({ admin, bdevs: [], subsystems: [] }));
  const run = async (...argv: string[]) => {
    const { main } = await import('../../src/cli/program.js');
    let text = '';
    const write = (written: string) => (text += written);
    const terminal = { out: write, error: write, isTTY: false, color: false };
    const where = ['--config', file, '--server', daemon.admin, '--token-file', tokenFile];
    const status = await main([...argv, ...where], terminal);
    return { status, text };
  };
  const planned = await run('plan');
  t.equal(planned.status, 0);
  t.match(
    planned.text,
    /would: remove subsystem .*: takes it away from 1 connected controller \(needs/,
  );
  const refused = await run('apply', '--allow', 'data-loss');
  t.equal(refused.status, 1);
  t.match(refused.text, /permission is missing \(disconnect\)/);
  t.equal((await run('apply', '--allow', 'data-loss,disconnect')).status, 0);
  await host.ended();
});

t.test('signals in the first moments of the daemon neither kill nor are lost', async (t) => {
  const folder = makeFolder(t);
  const file = writeConfiguration(folder, configuration());
  const early = new DaemonProcess(folder, file);
  t.teardown(() => early.destroy());
  // From the moment that our own code runs: Node itself takes some time before.
  await until('the signal to be caught', () => catches(early.pid, 1));
  early.signal('SIGHUP');
  await early.line('the ready line', ({ msg }) => msg === 'ready');
  early.signal('SIGTERM');
  t.same(await early.exit(), { status: 0, signal: null });

  const stopped = new DaemonProcess(folder, file);
  t.teardown(() => stopped.destroy());
  await until('the signals to be caught', () => catches(stopped.pid, 1));
  stopped.signal('SIGTERM');
  t.same(await stopped.exit(), { status: 0, signal: null });
});

/** Whether the daemon of that process has a handler for a signal. */
function catches(pid: number, signal: number): boolean {
  if (!existsSync(`/proc/${pid}/status`)) return false;
  // Before it is the daemon's, the process has the handlers of who started it.
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0serve\0')) return false;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mask = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return ((mask >> BigInt(signal - 1)) & 1n) === 1n;
}
