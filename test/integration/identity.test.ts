import { copyFileSync, existsSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { patternOf } from '../host/pattern.js';
import { TcpHost } from '../host/tcp-host.js';
import { GenericStatus } from '../../src/wire/layout.gen.js';
import {
  Daemon,
  configuration,
  loopback,
  makeFolder,
  runToEnd,
  subsystem,
  subsystemNqn,
} from './daemon.js';
import type { Configuration } from './daemon.js';

const block = (generation: number): Buffer => patternOf({ slba: 0n, generation }, 8);

const first8 = { slba: 0n, blocks: 8 };

/** The status without Do Not Retry, which it must not have. */
function codeOf({ status }: { readonly status: number }): number {
  return status >>> 1;
}

/** NSID 1 on the file `disk0.img` of the folder. */
function fileConfiguration(folder: string, overrides: Configuration = {}): Configuration {
  const path = join(folder, 'disk0.img');
  const bdev = { name: 'file0', kind: 'uring', path, size: '1MiB', create: true, ...overrides };
  return configuration({
    bdevs: [bdev],
    subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'file0' }] })],
  });
}

interface Shown {
  readonly serial: string;
  readonly uuid: string;
  readonly nguid: string;
}

async function shown(daemon: Daemon): Promise<Shown> {
  const path = `/v1/subsystems/${encodeURIComponent(subsystemNqn)}`;
  const { serial } = (await (await daemon.get(path)).json()) as { serial: string };
  const list = (await (await daemon.get(`${path}/namespaces`)).json()) as {
    items: { uuid: string; nguid: string }[];
  };
  const [first] = list.items;
  if (first === undefined) throw new Error('there is no namespace');
  return { serial, uuid: first.uuid, nguid: first.nguid };
}

async function unreadyReasons(daemon: Daemon): Promise<string> {
  return (await daemon.get('/readyz')).text();
}

t.test('a RAM disk after a restart is another disk, and no host reaches it unawares', async (t) => {
  const folder = makeFolder(t);
  const first = await Daemon.startIn(t, folder, configuration());
  const before = await shown(first);
  const host = await TcpHost.connect(first.target(), subsystemNqn);
  await host.io.write(0n, block(1));
  await first.kill();
  await host.ended();

  const second = await Daemon.startIn(t, folder, configuration());
  const after = await shown(second);
  t.equal(after.serial, before.serial);
  t.not(after.uuid, before.uuid);
  t.not(after.nguid, before.nguid);
  const again = await TcpHost.connect(second.target(), subsystemNqn);
  t.equal(codeOf(await again.io.tryWrite(0n, block(1))), GenericStatus.namespaceNotReady);
  t.equal(codeOf(await again.io.tryRead(first8)), GenericStatus.namespaceNotReady);
  await again.admin.identify({ cns: 3, nsid: 1 });
  t.equal(codeOf(await again.io.tryRead(first8)), GenericStatus.namespaceNotReady);
  await again.admin.identify({ cns: 0, nsid: 1 });
  t.ok((await again.io.read(0n, 8)).equals(Buffer.alloc(4096)));
  await again.disconnect();
});

t.test('a file has its identity with it, wherever it goes and whatever it is called', async (t) => {
  const folder = makeFolder(t);
  const first = await Daemon.startIn(t, folder, fileConfiguration(folder));
  const { uuid, nguid } = await shown(first);
  await first.stop();
  const other = makeFolder(t);
  renameSync(join(folder, 'disk0.img'), join(other, 'disk0.img'));
  const moved = await Daemon.startIn(t, other, fileConfiguration(other));
  t.match(await shown(moved), { uuid, nguid });
  await moved.stop();
  execFileSync('cp', ['-a', join(other, 'disk0.img'), join(other, 'copy.img')]);
  renameSync(join(other, 'copy.img'), join(other, 'disk0.img'));
  const copied = await Daemon.startIn(t, other, fileConfiguration(other));
  t.not((await shown(copied)).uuid, uuid);
  t.ok(copied.process.lines.some(({ level, msg }) => level === 'warn' && msg.includes(uuid)));
});

t.test('two daemons with one configuration are two disks', async (t) => {
  const identities: Shown[] = [];
  for (const folder of [makeFolder(t), makeFolder(t)]) {
    identities.push(await shown(await Daemon.startIn(t, folder, fileConfiguration(folder))));
  }
  t.not(identities[0]?.uuid, identities[1]?.uuid);
  t.not(identities[0]?.nguid, identities[1]?.nguid);
});

t.test('a reload that fails leaves no identity behind that holds the next one to it', async (t) => {
  const folder = makeFolder(t);
  const daemon = await Daemon.startIn(t, folder, configuration());
  const { port } = daemon.target();
  // Nobody can listen on all addresses with this port, which is found out after all is opened.
  const other = createServer().listen(port, '127.0.0.3');
  await once(other, 'listening');
  t.teardown(() => {
    other.close();
  });
  const withFile = (address: string, uuid: string): Configuration => ({
    ...fileConfiguration(folder),
    subsystems: [
      subsystem({
        listeners: [{ ...loopback, address, port }],
        namespaces: [{ nsid: 1, bdev: 'file0', uuid }],
      }),
    ],
  });
  const first = 'aaaaaaaa-0000-4000-8000-000000000001';
  const second = 'bbbbbbbb-0000-4000-8000-000000000002';
  const { msg } = await daemon.reload(withFile('0.0.0.0', first));
  t.match(
    msg,
    /could not listen on 0\.0\.0\.0.*; the old configuration is back; the new file .* stays$/,
  );
  t.match(await daemon.reload(withFile('127.0.0.1', second)), { msg: 'reloaded' });
  t.equal((await shown(daemon)).uuid, second);
});

t.test('an identity that is not the recorded one is refused, with which disk it was', async (t) => {
  const folder = makeFolder(t);
  const first = await Daemon.startIn(t, folder, fileConfiguration(folder));
  const { uuid } = await shown(first);
  await first.stop();
  const wrong = '6ba7b810-9dad-41d1-80b4-00c04fd430c8';
  const namespaces = [{ nsid: 1, bdev: 'file0', uuid: wrong }];
  const config = {
    ...fileConfiguration(folder),
    subsystems: [subsystem({ namespaces })],
  };
  const { process, ended } = await runToEnd(t, config, folder);
  t.equal(ended.status, 1);
  const said = process.tail();
  for (const part of [uuid, wrong, 'disk0.img', subsystemNqn, 'setfattr -x']) t.match(said, part);
});

t.test(
  'an image that is replaced is seen, said, and becomes another disk when asked',
  async (t) => {
    const folder = makeFolder(t);
    const config = fileConfiguration(folder);
    const daemon = await Daemon.startIn(t, folder, config);
    const { uuid } = await shown(daemon);
    const host = await TcpHost.connect(daemon.target(), subsystemNqn);
    await host.io.write(0n, block(1));
    copyFileSync(join(folder, 'disk0.img'), join(folder, 'new.img'));
    renameSync(join(folder, 'new.img'), join(folder, 'disk0.img'));
    const refused = await daemon.reload(config);
    t.match(refused.msg, /not applied/);
    const said = /disk0\.img is another file than the one being served \(inode \d+ → \d+\)$/;
    t.ok(daemon.process.lines.some(({ level, msg }) => level === 'warn' && said.test(msg)));
    t.match(await unreadyReasons(daemon), /another file than the one being served/);
    t.ok((await host.io.read(0n, 8)).equals(block(1)), 'it is served as it was');
    await host.disconnect();
    const reloaded = await daemon.reload(config);
    t.equal(reloaded.msg, 'reloaded');
    t.not((await shown(daemon)).uuid, uuid);
    t.equal((await daemon.get('/readyz')).status, 200);
  },
);

t.test('a file that is gone is served on, and said', async (t) => {
  const folder = makeFolder(t);
  const config = fileConfiguration(folder);
  const daemon = await Daemon.startIn(t, folder, config);
  const { uuid } = await shown(daemon);
  rmSync(join(folder, 'disk0.img'));
  t.equal((await daemon.reload(config)).msg, 'reloaded');
  t.match(await unreadyReasons(daemon), /disk0\.img is gone/);
  t.equal((await shown(daemon)).uuid, uuid);
  const readOnly = fileConfiguration(folder, { create: false, read_only: true });
  t.match((await daemon.reload(readOnly)).msg, /not applied/, 'it is not closed to be opened anew');
  const without = configuration({ bdevs: [], subsystems: [subsystem({ namespaces: [] })] });
  t.match((await daemon.reload(without)).msg, /not applied/, 'nor closed without permission');
  t.equal((await shown(daemon)).uuid, uuid);
  await daemon.stop();
  const { ended } = await runToEnd(t, config, folder);
  t.equal(ended.status, 1, 'and no empty disk takes its place');
  t.notOk(existsSync(join(folder, 'disk0.img')));
});

t.test('a file that cannot be looked at is served on, and said, and can be removed', async (t) => {
  const folder = makeFolder(t);
  const config = fileConfiguration(folder);
  const daemon = await Daemon.startIn(t, folder, config);
  const path = join(folder, 'disk0.img');
  renameSync(path, join(folder, 'aside.img'));
  symlinkSync('disk0.img', path);
  t.equal((await daemon.reload(config)).msg, 'reloaded');
  const said = `${path} cannot be looked at: cannot stat the file: too many symbolic links encountered (ELOOP)`;
  t.match(await unreadyReasons(daemon), `bdev file0: ${said}`);
  const without = configuration({ bdevs: [], subsystems: [subsystem({ namespaces: [] })] });
  t.equal((await daemon.reload(without)).msg, 'reloaded');
  t.equal((await daemon.get('/readyz')).status, 200);
});

t.test('a state directory is one daemon’s, and of its owner alone', async (t) => {
  const folder = makeFolder(t);
  const state = join(folder, 'state');
  const config = { ...configuration(), state_directory: state };
  await Daemon.startIn(t, folder, config);
  t.same(readdirSync(state).sort(), ['exports', 'lock']);
  const { process, ended } = await runToEnd(t, config);
  t.equal(ended.status, 1);
  t.match(process.tail(), /is in use by another capsuled/);
});
