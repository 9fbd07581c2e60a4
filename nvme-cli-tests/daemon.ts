/**
 * The daemon under test: `capsuled serve` as a child process with a folder of its own, on ports
 * that the kernel chose. In a configuration `$PORT` and `$ADMIN_PORT` are 0 at the first start and
 * the real ports after a restart, so that hosts find it again; `$DISCOVERY_PORT` is a free port,
 * for with 0 discovery would share the subsystem's; `$DIR` is the folder, and
 * `token` in it a file with a token.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, until, type Target } from './target.js';

const discoveryNqn = 'nqn.2014-08.org.nvmexpress.discovery';
/** Sent with every request, whether the configuration asks for it or not. */
const token = 'a-token-of-the-behaviours';
const readySeconds = 20;
const stopSeconds = 15;

interface Listener {
  readonly port: number;
  readonly nqns: readonly string[];
}

export interface MetricFilter {
  readonly [label: string]: (value: string) => boolean;
}

export class Daemon implements Target {
  /** Called when the process ends though nobody ended it. */
  onDeath: (() => void) | undefined;
  private child: ChildProcess | undefined;
  private stopping = false;
  private text = '';
  private lines: Record<string, unknown>[] = [];
  private port = 0;
  private discoveryPort = 0;
  private adminPort = 0;
  private listeners: readonly Listener[] = [];

  constructor(
    private readonly main: string,
    private readonly folder: string,
    private configText: string,
  ) {}

  get log(): string {
    return this.text;
  }

  get guestEnv(): Record<string, string> {
    return {
      KIND: 'capsuled',
      PORT: String(this.port),
      DISCOVERY_PORT: String(this.discoveryPort),
      ADMIN_PORT: String(this.adminPort),
      TOKEN: token,
      TRADDR: '127.0.0.1',
      LISTENERS: this.listeners
        .flatMap(({ port, nqns }) => nqns.map((nqn) => `${nqn}=${String(port)}`))
        .join(' '),
    };
  }

  /** Every JSON line logged so far by the process that runs now. */
  get events(): readonly Record<string, unknown>[] {
    return this.lines;
  }

  /** Starts the process and waits for its ready line. */
  async start(): Promise<void> {
    const config = join(this.folder, 'config.yaml');
    if (this.discoveryPort === 0) this.discoveryPort = await freePort();
    this.writeConfig();
    this.lines = [];
    const child = spawn(process.execPath, [this.main, 'serve', '--config', config], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.text += chunk;
        appendFileSync(join(this.folder, 'daemon.log'), chunk);
        const whole = (rest + chunk).split('\n');
        rest = whole.pop() ?? '';
        for (const line of whole) this.onLine(line);
      });
    }
    child.once('exit', () => {
      if (this.child === child && !this.stopping) this.onDeath?.();
    });
    const closed = once(child, 'close').then(() => undefined);
    const ready = await Promise.race([
      until("the daemon's ready line", readySeconds, () =>
        this.lines.find((line) => line['msg'] === 'ready'),
      ),
      closed,
    ]);
    if (ready === undefined) this.assertAlive();
    else this.onReady(ready);
  }

  /** SIGSTOP and SIGCONT, for a machine that is paused. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.assertAlive();
    this.child?.kill(name);
  }

  /** Writes another configuration and sends SIGHUP. The ports stay as they were written before. */
  reload(change: (text: string) => string): void {
    this.configText = change(this.configText);
    this.writeConfig(this.rendered);
    this.child?.kill('SIGHUP');
  }

  /** As {@link reload}, until the daemon has refused; answers what it said of that. */
  async reloadRefused(change: (text: string) => string): Promise<string[]> {
    const before = this.lines.length;
    this.reload(change);
    const said = await until('the end of a reload', 20, () => {
      const lines = this.lines.slice(before).map((line) => String(line['msg']));
      const isOver = (line: string): boolean =>
        line === 'reloaded' || line.includes('capsuled apply --allow');
      return lines.some(isOver) ? lines : undefined;
    });
    if (said.includes('reloaded')) throw new Error('SIGHUP was enough');
    return said;
  }

  /** As {@link reload}, with permission to take things from connected hosts, and RAM disks. */
  async apply(change: (text: string) => string): Promise<void> {
    this.configText = change(this.configText);
    this.writeConfig(this.rendered);
    await this.command('apply', '--allow', 'data-loss,disconnect');
  }

  /** What a `capsuled` command that asks the daemon prints; throws what it says if it fails. */
  async command(...words: string[]): Promise<string> {
    const where = [
      ...['--config', this.pathOf('config.yaml'), '--token-file', this.pathOf('token')],
      ...['--server', `http://127.0.0.1:${String(this.adminPort)}`],
    ];
    const run = promisify(execFile)(process.execPath, [this.main, ...words, ...where]);
    return (await run).stdout;
  }

  /** Of a file in the daemon's folder, `$DIR`. */
  pathOf(name: string): string {
    return join(this.folder, name);
  }

  /** Ends the process at once, as a crash would. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    this.child = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async get(path: string): Promise<string> {
    const url = `http://127.0.0.1:${String(this.adminPort)}${path}`;
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`GET ${path}: ${String(response.status)}`);
    return response.text();
  }

  /** The entries of a /v1 list. */
  async list(path: string): Promise<unknown[]> {
    const body: unknown = JSON.parse(await this.get(path));
    if (Array.isArray(body)) return body as unknown[];
    const items = (body as { items?: unknown }).items;
    if (!Array.isArray(items)) throw new Error(`expected a list for \`${path}\``);
    return items as unknown[];
  }

  /** The sum of a metric's samples whose labels pass; undefined if the metric is not there. */
  async metric(name: string, filter: MetricFilter = {}): Promise<number | undefined> {
    let sum: number | undefined;
    for (const line of (await this.get('/metrics')).split('\n')) {
      const sample = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)/i.exec(line);
      if (sample?.[1] !== name) {
        if (line.startsWith(`# TYPE ${name} `)) sum ??= 0;
        continue;
      }
      const labels = new Map<string, string>();
      for (const pair of (sample[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
        labels.set(pair[1] ?? '', pair[2] ?? '');
      }
      const passes = Object.entries(filter).every(([label, test]) => test(labels.get(label) ?? ''));
      if (passes) sum = (sum ?? 0) + Number(sample[3]);
    }
    return sum;
  }

  async checkClean(): Promise<void> {
    this.assertAlive();
    await until('the daemon without connections and controllers', 10, async () => {
      const connections = await this.list('/v1/connections');
      if (connections.length > 0) throw new Error(`connections ${JSON.stringify(connections)}`);
      const controllers = await this.list('/v1/controllers');
      if (controllers.length > 0) throw new Error(`controllers ${JSON.stringify(controllers)}`);
      for (const name of ['capsuled_connections', 'capsuled_controllers']) {
        const value = await this.metric(name);
        if (value !== 0) throw new Error(`${name} is ${String(value)}`);
      }
      const busy = await this.metric('capsuled_buffers', {
        state: (state) => !/(^|_)free$/.test(state),
      });
      if (busy !== 0) throw new Error(`capsuled_buffers not free: ${String(busy)}`);
      return true;
    });
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    this.stopping = true;
    if (child.exitCode === null && child.signalCode === null) {
      const timer = setTimeout(() => child.kill('SIGKILL'), stopSeconds * 1000);
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
      clearTimeout(timer);
    }
    this.child = undefined;
    if (child.exitCode !== 0) {
      throw new Error(`the daemon ended with ${String(child.exitCode ?? child.signalCode)}`);
    }
  }

  private rendered = { port: 0, discoveryPort: 0, adminPort: 0 };

  private writeConfig(ports?: { port: number; discoveryPort: number; adminPort: number }): void {
    this.rendered = ports ?? {
      port: this.port,
      discoveryPort: this.discoveryPort,
      adminPort: this.adminPort,
    };
    const text = this.configText
      .replaceAll('$PORT', String(this.rendered.port))
      .replaceAll('$DISCOVERY_PORT', String(this.rendered.discoveryPort))
      .replaceAll('$ADMIN_PORT', String(this.rendered.adminPort))
      .replaceAll('$DIR', this.folder);
    writeFileSync(join(this.folder, 'token'), token);
    writeFileSync(join(this.folder, 'config.yaml'), text);
  }

  /** Throws if the process has ended by itself. */
  assertAlive(): void {
    const { child } = this;
    if (child === undefined) throw new Error('the daemon is not running');
    if (child.exitCode === null && child.signalCode === null) return;
    throw new Error(`the daemon ended with ${String(child.exitCode ?? child.signalCode)}`);
  }

  private onLine(line: string): void {
    if (!line.startsWith('{')) return;
    try {
      this.lines.push(JSON.parse(line) as Record<string, unknown>);
    } catch {
      // Not ours; it is in the log all the same.
    }
  }

  private onReady(ready: Record<string, unknown>): void {
    this.adminPort = Number(new URL(String(ready['admin'])).port);
    const all = ready['listeners'] as { port: number; subsystems: string[] }[];
    this.listeners = all
      .map(({ port, subsystems }) => ({
        port,
        nqns: subsystems.filter((nqn) => nqn !== discoveryNqn),
      }))
      .filter(({ nqns }) => nqns.length > 0);

    this.port = this.listeners[0]?.port ?? 0;
  }
}
