/**
 * The daemon under test: `capsuled serve` as a child process, with a folder of its own, on ports
 * that the kernel chose. It is stopped, and its folder removed, when the test that started it ends.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get as httpGet } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until, within } from '../host/bounded.js';
import type { Address } from '../host/pdu-link.js';
import { parseMetrics } from './metrics.js';
import type { Scraped } from './metrics.js';

const mainScript = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** A configuration as config.yaml has it; JSON is YAML. */
export type Configuration = Readonly<Record<string, unknown>>;

/** What a test needs to clean up behind itself. */
export interface Teardown {
  teardown(callback: () => Promise<void> | void): void;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

interface ReadyListener extends Address {
  readonly subsystems: readonly string[];
}

export const subsystemNqn = 'nqn.2026-11.com.example:disk0';

export const loopback = { transport: 'tcp', address: '127.0.0.1', port: 0 } as const;

const token = 'a-token-of-the-tests';

/** For who asks the side-car of a daemon with {@link adminWithToken}; others do not mind. */
export const withToken = { authorization: `Bearer ${token}` };

/** The section `admin` of a daemon that takes changes by {@link Daemon.apply}. */
export const adminWithToken = { listen: '127.0.0.1:0', token_file: 'token' };

/** Discovery listens on an address of its own, so that it does not share the subsystem's socket. */
export const discoveryLoopback = { transport: 'tcp', address: '127.0.0.2', port: 0 } as const;

export function subsystem(overrides: Configuration = {}): Configuration {
  return {
    nqn: subsystemNqn,
    allow_any_host: true,
    listeners: [loopback],
    namespaces: [{ nsid: 1, bdev: 'ram0' }],
    ...overrides,
  };
}

/** One RAM disk in one subsystem for any host. */
export function configuration(overrides: Configuration = {}): Configuration {
  return {
    version: 1,
    engine: { reactors: 2, memory: '64MiB' },
    admin: { listen: '127.0.0.1:0' },
    discovery: { listeners: [discoveryLoopback] },
    bdevs: [{ name: 'ram0', kind: 'malloc', size: '64MiB', block_size: 512 }],
    subsystems: [subsystem()],
    log: { level: 'debug', format: 'json' },
    ...overrides,
  };
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Where the log of a daemon goes: a descriptor for it, and what the test reads of that. */
export interface LogOutlet {
  readonly fd: number;
  readonly reader: Readable | undefined;
}

/** A process that runs `capsuled serve`, whether it gets ready or not. */
export class DaemonProcess {
  readonly folder: string;
  readonly lines: LogLine[] = [];
  errorText = '';
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();

  /** The log goes to a socket that the test reads (Node's `pipe`), or to `outlet`. */
  constructor(folder: string, configFile: string, nodeOptions = '', outlet?: LogOutlet) {
    this.folder = folder;
    // By `env`, so that it is the daemon alone: what runs the tests adds modules to each Node that
    // it sees started, and they listen to signals.
    const args = [`NODE_OPTIONS=${nodeOptions}`, process.execPath, mainScript, 'serve'];
    this.#child = spawn('env', [...args, '--config', configFile], {
      cwd: folder,
      stdio: ['ignore', outlet?.fd ?? 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', NODE_NO_WARNINGS: '1' },
    });
    let rest = '';
    (outlet?.reader ?? this.#child.stdout)?.setEncoding('utf8').on('data', (text: string) => {
      const whole = (rest + text).split('\n');
      rest = whole.pop() ?? '';
      for (const line of whole) {
        if (line.startsWith('{')) this.lines.push(JSON.parse(line) as LogLine);
      }
      for (const watcher of this.#watchers) watcher();
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errorText += text;
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (status, signal) => {
        resolve({ status, signal });
        for (const watcher of this.#watchers) watcher();
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** What the test reads of a log without an outlet. */
  get output(): Readable {
    return this.#child.stdout!;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The first line that matches, now or later; `from` leaves out older ones. */
  async line(what: string, matches: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    let wake: () => void = () => undefined;
    const found = new Promise<LogLine>((resolve, reject) => {
      wake = () => {
        const line = this.lines.slice(from).find(matches);
        if (line !== undefined) resolve(line);
        else if (!this.isRunning) reject(new Error(`the daemon ended: ${this.tail()}`));
      };
      this.#watchers.add(wake);
      wake();
    });
    try {
      return await within(found, what);
    } finally {
      this.#watchers.delete(wake);
    }
  }

  /** The end of its log, for a failing test. */
  tail(): string {
    const lines = this.lines.slice(-20).map((line) => JSON.stringify(line));
    return [...lines, this.errorText].join('\n');
  }

  async exit(): Promise<Ended> {
    return within(this.ended, 'the end of the daemon');
  }

  /** Ends it whatever it does. */
  async destroy(): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGKILL');
    await this.exit();
  }
}

/** A daemon that got ready. */
export class Daemon {
  readonly process: DaemonProcess;
  readonly admin: string;
  readonly listeners: readonly ReadyListener[];
  readonly #configFile: string;

  private constructor(process: DaemonProcess, configFile: string, ready: LogLine) {
    this.process = process;
    this.#configFile = configFile;
    this.admin = ready['admin'] as string;
    this.listeners = ready['listeners'] as ReadyListener[];
  }

  static async start(
    t: Teardown,
    config: Configuration = configuration(),
    nodeOptions = '',
  ): Promise<Daemon> {
    return Daemon.startIn(t, makeFolder(t), config, nodeOptions);
  }

  /** In a folder that another daemon may have used before. */
  static async startIn(
    t: Teardown,
    folder: string,
    config: Configuration,
    nodeOptions = '',
    outlet?: LogOutlet,
  ): Promise<Daemon> {
    const file = writeConfiguration(folder, config);
    const process = new DaemonProcess(folder, file, nodeOptions, outlet);
    t.teardown(() => process.destroy());
    const ready = await process.line('the ready line', ({ msg }) => msg === 'ready');
    return new Daemon(process, file, ready);
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Where a subsystem listens. */
  target(nqn = subsystemNqn, address?: string): Address {
    const found = this.listeners.find(
      (listener) =>
        listener.subsystems.includes(nqn) &&
        (address === undefined || listener.address === address),
    );
    if (found === undefined) throw new Error(`no listener of ${nqn}`);
    return { address: found.address, port: found.port };
  }

  /** Where its side-car listens. */
  sideCar(): Address {
    const { hostname: address, port } = new URL(this.admin);
    return { address, port: Number(port) };
  }

  listener(address: string): Address {
    const found = this.listeners.find((listener) => listener.address === address);
    if (found === undefined) throw new Error(`no listener on ${address}`);
    return { address: found.address, port: found.port };
  }

  /**
   * By a connection of its own, so that none is left open that a test of descriptors would count.
   */
  async get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    const request = httpGet(`${this.admin}${path}`, { headers, agent: false, timeout: 10_000 });
    const [response] = (await within(once(request, 'response'), `an answer to GET ${path}`)) as [
      IncomingMessage,
    ];
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part as Buffer);
    return new Response(Buffer.concat(parts), { status: response.statusCode ?? 0 });
  }

  async metrics(): Promise<Scraped> {
    return parseMetrics(await (await this.get('/metrics', withToken)).text());
  }

  /** A counter of `capsuled_pdu_errors_total`. */
  async pduErrors(reason: string): Promise<number> {
    return (await this.metrics()).sum('capsuled_pdu_errors_total', { reason });
  }

  /**
   * As {@link reload}, with permission for everything. The configuration must have
   * {@link adminWithToken}.
   */
  async apply(config: Configuration): Promise<LogLine> {
    const { process } = this;
    const from = process.lines.length;
    writeConfiguration(process.folder, config);
    const response = await fetch(`${this.admin}/v1/reload`, {
      method: 'POST',
      headers: { ...withToken, 'content-type': 'application/json' },
      body: JSON.stringify({ allow: ['data-loss', 'disconnect'] }),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`reload: ${await response.text()}`);
    return process.line('the end of the reload', ({ msg }) => msg === 'reloaded', from);
  }

  /** Writes another configuration and waits until it was applied, or refused. */
  async reload(config: Configuration): Promise<LogLine> {
    const { process } = this;
    const from = process.lines.length;
    writeConfiguration(process.folder, config);
    process.signal('SIGHUP');
    const isEnd = ({ msg }: LogLine) =>
      msg === 'reloaded' || msg.includes('not applied') || msg.includes('stays in force');
    return process.line('the end of the reload', isEnd, from);
  }

  async stop(): Promise<Ended> {
    this.process.signal('SIGTERM');
    return this.process.exit();
  }

  async kill(): Promise<void> {
    await this.process.destroy();
  }

  /** Connections and requests are all free again: every state's counter but that one is zero. */
  async idle(): Promise<void> {
    let busy: readonly string[] = [];
    try {
      await until('all per-state counters to be zero', async () => {
        busy = busyStates(await this.metrics());
        return busy.length === 0;
      });
    } catch (error) {
      throw new Error(`not idle: ${busy.join(', ')}`, { cause: error });
    }
  }

  get fileDescriptorCount(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Resident memory, bytes. */
  get residentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    if (kib === undefined) throw new Error('no VmRSS');
    return Number(kib) * 1024;
  }

  /** The file that it reads when it reloads. */
  get configFile(): string {
    return this.#configFile;
  }
}

function busyStates(metrics: Scraped): string[] {
  const names = ['capsuled_connection_states', 'capsuled_request_states', 'capsuled_buffers'];
  return names.flatMap((name) =>
    metrics
      .samples(name)
      .filter(({ labels, value }) => !(labels['state'] ?? '').endsWith('free') && value !== 0)
      .map(({ labels, value }) => `${name} ${JSON.stringify(labels)} ${value}`),
  );
}

export function makeFolder(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), 'capsuled-test-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export function writeConfiguration(folder: string, config: Configuration | string): string {
  writeFileSync(join(folder, adminWithToken.token_file), token);
  const file = join(folder, 'config.yaml');
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config, null, 2));
  return file;
}

/** For a process that is to end by itself. */
export async function runToEnd(
  t: Teardown,
  config: Configuration | string,
  folder = makeFolder(t),
): Promise<{ process: DaemonProcess; ended: Ended; file: string }> {
  const file = writeConfiguration(folder, config);
  const process = new DaemonProcess(folder, file);
  t.teardown(() => process.destroy());
  return { process, ended: await process.exit(), file };
}

/** A port that somebody else has. */
export async function occupiedPort(t: Teardown): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
  });
  return (server.address() as { port: number }).port;
}
