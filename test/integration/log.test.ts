/** What the daemon does when its log is not read, cannot be written, or is read too late. */

import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { until } from '../host/bounded.js';
import { TcpHost } from '../host/tcp-host.js';
import {
  Daemon,
  type DaemonProcess,
  type LogLine,
  DaemonProcess as Process,
  configuration,
  makeFolder,
  subsystemNqn,
  writeConfiguration,
} from './daemon.js';
import { parseMetrics } from './metrics.js';

/** An invalid configuration: each of so many keys is an error, so a line of more than 100 bytes. */
function invalid(keys: number): string {
  const unknown = Array.from({ length: keys }, (_, index) => `unknown_key_${index}: 1`);
  return `version: 1\nlog: { ${unknown.join(', ')} }\n`;
}

const KEYS_OF_A_FLOOD = 20_000;
const MODERATE_KEYS = 1000;

/** A crash on demand: what nobody catches. */
const crashOnSignal = `data:text/javascript,process.on('SIGUSR2',()=>{throw(new(Error)('crash'))})`;

/** A pipe of which the test has both ends; a daemon inherits the one to write to. */
function makePipe(folder: string): { fd: number; reader: Readable } {
  const path = join(folder, 'log');
  execFileSync('mkfifo', [path]);
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY);
  return { fd, reader: new Socket({ fd: reading, readable: true, writable: false }) };
}

interface Logged {
  readonly daemon: Daemon;
  readonly output: Readable;
}

async function startOn(kind: 'socket' | 'pipe', t: Test, nodeOptions = ''): Promise<Logged> {
  if (kind === 'socket') {
    const daemon = await Daemon.start(t, configuration(), nodeOptions);
    return { daemon, output: daemon.process.output };
  }
  const folder = makeFolder(t);
  const { fd, reader } = makePipe(folder);
  t.teardown(() => reader.destroy());
  const daemon = await Daemon.startIn(t, folder, configuration(), nodeOptions, { fd, reader });
  // The daemon's is the only one that is left.
  closeSync(fd);
  return { daemon, output: reader };
}

async function linesDropped(daemon: Daemon): Promise<number> {
  return (await daemon.metrics()).sum('capsuled_log_lines_dropped_total');
}

/** Makes it log more than it may keep, and waits until it has lost some. */
async function flood(daemon: Daemon): Promise<void> {
  writeConfiguration(daemon.process.folder, invalid(KEYS_OF_A_FLOOD));
  daemon.process.signal('SIGHUP');
  await until('lines to be lost', async () => (await linesDropped(daemon)) > 0);
}

/** Hosts come and go, and do I/O; the side-car answers. */
async function serves(t: Test, daemon: Daemon): Promise<void> {
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  await host.io.write(7n, Buffer.alloc(512, 7));
  t.ok((await host.io.read(7n, 1)).equals(Buffer.alloc(512, 7)));
  await host.disconnect();
  t.equal((await daemon.get('/healthz')).status, 200);
}

const isNotice = ({ msg }: LogLine): boolean => msg.includes('of the log lost here');

for (const kind of ['socket', 'pipe'] as const) {
  t.test(`a ${kind} that is not read costs lines and nothing else`, async (t) => {
    const { daemon, output } = await startOn(kind, t);
    output.pause();
    await flood(daemon);
    await serves(t, daemon);

    // It is read again: the log says how many lines are missing, where they are missing.
    const before = daemon.process.lines.length;
    output.resume();
    const notice = await daemon.process.line('the notice of the loss', isNotice, before);
    t.match(notice, { level: 'error', reason: 'they were not read fast enough' });
    const invalidLine = ({ msg }: LogLine): boolean => msg.includes('unknown_key_');
    await until('the end of the flood', async () => {
      const lost = await linesDropped(daemon);
      const notices = daemon.process.lines.filter(isNotice);
      return lost === notices.reduce((sum, { lines }) => sum + (lines as number), 0);
    });
    t.ok(daemon.process.lines.filter(invalidLine).length < KEYS_OF_A_FLOOD);
    t.match(await daemon.reload(configuration()), { msg: 'reloaded' });
    t.match(await daemon.stop(), { status: 0, signal: null });
    t.ok(daemon.process.lines.some(({ msg }) => msg === 'stopped'));
  });

  t.test(`SIGTERM ends a daemon whose ${kind} is not read`, async (t) => {
    const { daemon, output } = await startOn(kind, t);
    output.pause();
    await flood(daemon);
    daemon.process.signal('SIGTERM');
    // `close`, which is what exit() awaits, comes only when its output was read to the end.
    await until('the end of the process', () => !daemon.process.isRunning);
    output.resume();
    t.match(await daemon.process.exit(), { status: 0, signal: null });
  });

  t.test(`a ${kind} whose reader goes away costs lines and nothing else`, async (t) => {
    const { daemon, output } = await startOn(kind, t);
    output.destroy();
    await flood(daemon);
    await serves(t, daemon);
    t.match(await daemon.stop(), { status: 0, signal: null });
  });

  t.test(`a crash is the last line of a ${kind} that is read late`, async (t) => {
    const { daemon, output } = await startOn(kind, t, `--import=${crashOnSignal}`);
    output.pause();
    writeConfiguration(daemon.process.folder, invalid(MODERATE_KEYS));
    daemon.process.signal('SIGHUP');
    await until('the reload', async () => {
      await daemon.get('/healthz');
      return output.readableLength > 0;
    });
    daemon.process.signal('SIGUSR2');
    output.resume();
    t.match(await daemon.process.exit(), { status: 1, signal: null });
    t.match(daemon.process.lines.at(-1), { level: 'fatal', err: { message: 'crash' } });
  });

  t.test(`a crash ends a daemon whose ${kind} is not read`, async (t) => {
    const { daemon, output } = await startOn(kind, t, `--import=${crashOnSignal}`);
    output.pause();
    await flood(daemon);
    daemon.process.signal('SIGUSR2');
    await until('the end of the process', () => !daemon.process.isRunning);
    output.resume();
    t.match(await daemon.process.exit(), { status: 1, signal: null });
  });
}

/** The port on which a process listens at an IPv4 address; for a daemon that can say nothing. */
function listeningPort(pid: number, address: string): number | undefined {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined; // closed meanwhile
      }
    }),
  );
  const hex = Buffer.from(address.split('.').map(Number)).reverse().toString('hex').toUpperCase();
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n')) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    const [host, port] = local.split(':');
    if (host === hex && state === '0A' && inodes.has(inode)) return Number.parseInt(port!, 16);
  }
  return undefined;
}

async function startOnFullDisk(t: Test): Promise<{ process: DaemonProcess; admin: string }> {
  const folder = makeFolder(t);
  const fd = openSync('/dev/full', 'w');
  const address = '127.0.0.3';
  const file = writeConfiguration(folder, configuration({ admin: { listen: `${address}:0` } }));
  const process = new Process(folder, file, '', { fd, reader: undefined });
  closeSync(fd);
  t.teardown(() => process.destroy());
  const port = await until('the side-car', () => listeningPort(process.pid, address));
  return { process, admin: `http://${address}:${port}` };
}

t.test('a full disk costs lines and nothing else', async (t) => {
  const { process, admin } = await startOnFullDisk(t);
  const get = async (path: string): Promise<Response> => fetch(`${admin}${path}`);
  await until('readiness', async () => (await get('/readyz')).status === 200);
  writeConfiguration(process.folder, invalid(KEYS_OF_A_FLOOD));
  process.signal('SIGHUP');
  await until('lines to be lost', async () => {
    const metrics = parseMetrics(await (await get('/metrics')).text());
    return metrics.sum('capsuled_log_lines_dropped_total') > 0;
  });
  t.equal((await get('/healthz')).status, 200);
  process.signal('SIGTERM');
  t.match(await process.exit(), { status: 0, signal: null });
  t.equal(process.errorText, '');
});
