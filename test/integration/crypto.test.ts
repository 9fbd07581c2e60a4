import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TcpHost } from '../host/tcp-host.js';
import {
  Daemon,
  adminWithToken,
  configuration,
  makeFolder,
  runToEnd,
  subsystem,
  subsystemNqn,
  withToken,
} from './daemon.js';
import type { Configuration, Teardown } from './daemon.js';

const mib = 2 ** 20;
const bytes = 2 * mib;

interface Disk {
  readonly folder: string;
  readonly key: Buffer;
  readonly sectorBytes: number;
  readonly blockBytes: number;
}

function writeKey(folder: string, key: Buffer, name = 'safe0.key'): void {
  writeFileSync(join(folder, name), key, { mode: 0o600 });
}

function makeDisk(t: Teardown, how: Partial<Disk> = {}): Disk {
  const disk = {
    folder: makeFolder(t),
    key: randomBytes(64),
    sectorBytes: 512,
    blockBytes: 512,
    ...how,
  };
  writeKey(disk.folder, disk.key);
  return disk;
}

/** An encrypted file in one subsystem. */
function encrypted(
  { sectorBytes, blockBytes }: Disk,
  changed: Readonly<Record<string, unknown>> = { key_file: 'safe0.key' },
): Configuration {
  const size = `${bytes / mib}MiB`;
  const file = { path: 'disk0.img', size, create: true, block_size: blockBytes };
  return configuration({
    admin: adminWithToken,
    bdevs: [
      { name: 'file0', kind: 'uring', ...file },
      { name: 'safe0', kind: 'crypto', base: 'file0', sector_size: sectorBytes, ...changed },
    ],
    subsystems: [subsystem({ namespaces: [{ nsid: 1, bdev: 'safe0' }] })],
  });
}

/** As dm-crypt does it, by Node's own means: each sector with its number. */
function crypted({ key, sectorBytes }: Disk, way: 'encrypt' | 'decrypt', data: Buffer): Buffer {
  const name = key.length === 64 ? 'aes-256-xts' : 'aes-128-xts';
  const sectors = [];
  for (let at = 0; at < data.length; at += sectorBytes) {
    const tweak = Buffer.alloc(16);
    tweak.writeBigUInt64LE(BigInt(at / 512));
    const make = way === 'encrypt' ? createCipheriv : createDecipheriv;
    sectors.push(make(name, key, tweak).update(data.subarray(at, at + sectorBytes)));
  }
  return Buffer.concat(sectors);
}

async function hostOf(daemon: Daemon, { blockBytes }: Disk): Promise<TcpHost> {
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  host.io.blockBytes = blockBytes;
  return host;
}

const kinds = [
  { keyBytes: 64, sectorBytes: 512, blockBytes: 512 },
  { keyBytes: 32, sectorBytes: 512, blockBytes: 4096 },
  { keyBytes: 64, sectorBytes: 4096, blockBytes: 4096 },
];

for (const { keyBytes, ...sizes } of kinds) {
  const text = `${keyBytes} bytes of key, sectors of ${sizes.sectorBytes}, blocks of ${sizes.blockBytes}`;
  t.test(`what is in the file is what dm-crypt would have there: ${text}`, async (t) => {
    const disk = makeDisk(t, { key: randomBytes(keyBytes), ...sizes });
    const { folder, blockBytes } = disk;
    // What somebody else has encrypted is read.
    const content = randomBytes(bytes);
    writeFileSync(join(folder, 'disk0.img'), crypted(disk, 'encrypt', content));
    const daemon = await Daemon.startIn(t, folder, encrypted(disk));
    const { io } = await hostOf(daemon, disk);
    const blocksOf = (count: number): number => count / blockBytes;
    t.ok((await io.read(0n, blocksOf(mib))).equals(content.subarray(0, mib)));
    t.ok((await io.read(3n, 5)).equals(content.subarray(3 * blockBytes, 8 * blockBytes)));
    // And what is written, somebody else can read.
    const put = async (block: number, data: Buffer, forceUnitAccess = false): Promise<void> => {
      data.copy(content, block * blockBytes);
      await io.write(BigInt(block), data, { forceUnitAccess });
    };
    await put(1, randomBytes(blockBytes));
    await put(7, randomBytes(3 * blockBytes), true);
    await put(blocksOf(mib) - 2, randomBytes(mib));
    await io.writeZeroes({ slba: 100n, blocks: 20 });
    content.fill(0, 100 * blockBytes, 120 * blockBytes);
    t.equal(await io.compare(0n, content.subarray(0, 64 * 4096)), 0);
    t.not(await io.compare(0n, content.subarray(blockBytes, 2 * blockBytes)), 0);
    await io.flush();
    const file = readFileSync(join(folder, 'disk0.img'));
    t.ok(crypted(disk, 'decrypt', file).equals(content));
    t.notOk(file.equals(content));
    t.ok((await io.read(0n, blocksOf(mib))).equals(content.subarray(0, mib)));
  });
}

interface BdevItem {
  readonly name: string;
  readonly can_unmap: boolean | null;
  readonly identity: { readonly uuid: string } | null;
  readonly configuration: Readonly<Record<string, unknown>>;
}

async function safe0(daemon: Daemon): Promise<BdevItem> {
  const response = await daemon.get('/v1/bdevs', withToken);
  const { items } = (await response.json()) as { items: BdevItem[] };
  const found = items.find(({ name }) => name === 'safe0');
  if (found === undefined) throw new Error('there is no safe0');
  return found;
}

t.test('another key is another disk, and the same key the same again', async (t) => {
  const disk = makeDisk(t);
  const other = randomBytes(64);
  const uuids: unknown[] = [];
  const checks: unknown[] = [];
  for (const key of [disk.key, other, disk.key]) {
    writeKey(disk.folder, key);
    const daemon = await Daemon.startIn(t, disk.folder, encrypted(disk));
    const { identity, configuration: found, can_unmap: canUnmap } = await safe0(daemon);
    t.equal(canUnmap, false);
    uuids.push(identity?.uuid);
    checks.push(found['key_check']);
    const said = daemon.process.lines.some((line) =>
      String(line['detail']).includes(`key ${String(found['key_check'])} of `),
    );
    t.ok(said, 'the check value is in the log');
    await daemon.stop();
  }
  t.match(checks[0], /^[0-9a-f]{16}$/);
  t.equal(checks[0], checks[2]);
  t.not(checks[0], checks[1]);
  t.equal(uuids[0], uuids[2]);
  t.not(uuids[0], uuids[1]);
});

t.test('a key that is not the expected one is refused, and what runs stays', async (t) => {
  const disk = makeDisk(t);
  const daemon = await Daemon.startIn(t, disk.folder, encrypted(disk));
  const host = await hostOf(daemon, disk);
  await host.io.write(0n, Buffer.alloc(512, 1));
  const { configuration: found } = await safe0(daemon);
  const check = String(found['key_check']);
  // To write down what it is changes nothing.
  const withCheck = (value: string) => encrypted(disk, { key_file: 'safe0.key', key_check: value });
  t.equal((await daemon.reload(withCheck(check))).msg, 'reloaded');
  t.ok((await host.io.read(0n, 1)).equals(Buffer.alloc(512, 1)));
  await host.disconnect();
  const wrong = check.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
  const refused = `expected a key whose check value is "${wrong}" for \`key_check\`, got one whose is "${check}"`;
  t.match((await daemon.reload(withCheck(wrong))).msg, /not applied/);
  t.match(daemon.process.tail(), JSON.stringify(refused).slice(1, -1));
  const again = await hostOf(daemon, disk);
  t.ok((await again.io.read(0n, 1)).equals(Buffer.alloc(512, 1)));
});

t.test('the key is in nothing that the daemon says', async (t) => {
  // Of letters, so that it would be in a text as it is.
  const key = Buffer.from(randomBytes(32).toString('hex'));
  const disk = makeDisk(t, { key });
  const daemon = await Daemon.startIn(t, disk.folder, encrypted(disk));
  const host = await hostOf(daemon, disk);
  await host.io.write(0n, Buffer.alloc(512));
  const texts = [JSON.stringify(daemon.process.lines), daemon.process.errorText];
  for (const path of ['/v1/bdevs', '/v1/subsystems', '/metrics', '/readyz']) {
    texts.push(await (await daemon.get(path, withToken)).text());
  }
  const parts = [key.subarray(0, 16), key.subarray(32, 48), key.subarray(48)];
  const forms = parts.flatMap((part) => [part.toString(), part.toString('hex')]);
  for (const form of [...forms, key.toString('base64').slice(0, 40)]) {
    t.notOk(texts.some((text) => text.includes(form)));
  }
});

t.test('a key that others may read is refused', async (t) => {
  const disk = makeDisk(t);
  const { folder } = disk;
  const path = join(folder, 'safe0.key');
  chmodSync(path, 0o644);
  const { process, ended } = await runToEnd(t, encrypted(disk), folder);
  t.equal(ended.status, 1);
  const refused = `expected ${path} to be for its owner alone, found mode 0644: \`chmod 600 ${path}\``;
  t.match(process.tail(), `bdevs[1]: could not open bdev safe0: ${refused}`);
  chmodSync(path, 0o600);
  await Daemon.startIn(t, folder, encrypted(disk));
});

t.test('a key may be a credential of the service', async (t) => {
  const disk = makeDisk(t);
  const credentials = makeFolder(t);
  writeKey(credentials, disk.key, 'safe0');
  const config = encrypted(disk, { key_credential: 'safe0' });
  process.env['CREDENTIALS_DIRECTORY'] = credentials;
  t.teardown(() => {
    delete process.env['CREDENTIALS_DIRECTORY'];
  });
  const daemon = await Daemon.startIn(t, disk.folder, config);
  const host = await hostOf(daemon, disk);
  await host.io.write(8n, Buffer.alloc(512, 7));
  await host.io.flush();
  const plain = crypted(disk, 'decrypt', readFileSync(join(disk.folder, 'disk0.img')));
  t.ok(plain.subarray(8 * 512, 9 * 512).equals(Buffer.alloc(512, 7)));
});
