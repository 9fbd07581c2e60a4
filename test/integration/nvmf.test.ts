/** host → daemon A → daemon B: a bdev of kind nvmf, whose target dies, moves and grows. */

import { truncateSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { until } from '../host/bounded.js';
import type { Address } from '../host/pdu-link.js';
import { Daemon, configuration, loopback, makeFolder, subsystem, subsystemNqn } from './daemon.js';
import type { Configuration, Teardown } from './daemon.js';
import { Perf, reportOf } from './perf-process.js';

const nearNqn = 'nqn.2026-11.com.example:near';
const mebibyte = 2 ** 20;

interface PathJson {
  readonly name: string;
  readonly state: string;
  readonly access: string | null;
  readonly reason: string | null;
}

interface BdevJson {
  readonly name: string;
  readonly state: string;
  readonly reason: string | null;
  readonly size: number | null;
  readonly paths: readonly PathJson[];
}

/** B: a file in a folder that outlives it, on ports that stay. */
class Far {
  readonly #t: Teardown;
  readonly #folder: string;
  #daemon: Daemon | undefined;
  #port = 0;

  constructor(t: Teardown) {
    this.#t = t;
    this.#folder = makeFolder(t);
    writeFileSync(this.file, '');
    truncateSync(this.file, 16 * mebibyte);
  }

  get file(): string {
    return join(this.#folder, 'disk0.img');
  }

  get daemon(): Daemon {
    return this.#daemon!;
  }

  get address(): Address {
    return { address: '127.0.0.1', port: this.#port };
  }

  async start(): Promise<void> {
    this.#daemon = await Daemon.startIn(
      this.#t,
      this.#folder,
      configuration({
        bdevs: [{ name: 'file0', kind: 'uring', path: this.file, block_size: 512 }],
        subsystems: [
          subsystem({
            listeners: [{ ...loopback, port: this.#port }],
            namespaces: [{ nsid: 1, bdev: 'file0' }],
          }),
        ],
      }),
    );
    this.#port = this.daemon.target().port;
  }
}

/** What stands between A and B, and can be cut. */
class Line {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(to: Address) {
    this.#server = createServer((near) => {
      if (this.#isCut) {
        near.destroy();
        return;
      }
      const far = createConnection(to.port, to.address);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  static async to(t: Teardown, address: Address): Promise<Line> {
    const line = new Line(address);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    t.teardown(() => {
      line.cut();
      line.#server.close();
    });
    return line;
  }

  get address(): Address {
    return { address: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend(): void {
    this.#isCut = false;
  }
}

/** A. */
class Near {
  readonly #daemon: Daemon;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  static async start(t: Teardown, keys: Configuration): Promise<Near> {
    const daemon = await Daemon.start(
      t,
      configuration({
        bdevs: [
          { name: 'far0', kind: 'nvmf', subnqn: subsystemNqn, ...keys },
          // A daemon that could serve nothing would not start.
          { name: 'ram0', kind: 'malloc', size: '1MiB', block_size: 512 },
        ],
        subsystems: [
          subsystem({
            nqn: nearNqn,
            namespaces: [
              { nsid: 1, bdev: 'far0' },
              { nsid: 2, bdev: 'ram0' },
            ],
          }),
        ],
      }),
    );
    return new Near(daemon);
  }

  get daemon(): Daemon {
    return this.#daemon;
  }

  perf(t: Teardown, time: string): Perf {
    const load = ['--rw', 'randrw', '--bs', '512:1,4KiB:4,64KiB:1', '--qd', '16', '--qpairs', '2'];
    const verify = ['--verify', '--region', '4MiB'];
    const place = { at: this.#daemon.target(nearNqn), nqn: nearNqn };
    return new Perf(t, place, ['--json', ...load, ...verify, '--time', time]);
  }

  async bdev(): Promise<BdevJson> {
    const { items } = (await (await this.#daemon.get('/v1/bdevs')).json()) as {
      items: BdevJson[];
    };
    return items.find(({ name }) => name === 'far0')!;
  }

  async pathStates(): Promise<string[]> {
    return (await this.bdev()).paths.map(({ state }) => state);
  }

  /** Operations that have ended on its hosts' side. */
  async operations(): Promise<number> {
    return (await this.#daemon.metrics()).sum('capsuled_io_operations_total', {});
  }

  async untilBusy(): Promise<void> {
    const before = await this.operations();
    await until('the run to do I/O', async () => (await this.operations()) > before + 500);
  }
}

const paths = (...addresses: readonly Address[]) => ({
  paths: addresses.map(({ address, port }) => ({ address, port })),
  reconnect_delay: '200ms',
});

function passes(t: Test, outcome: ReturnType<typeof reportOf>): void {
  t.match(outcome, {
    status: 0,
    failure: null,
    first_error: null,
    reconnects: 0,
    total: { errors: 0 },
    verify: { mismatches: 0, first: null },
  });
  t.ok((outcome.verify?.blocks_checked ?? 0) > 0);
}

t.test('its target dies and comes back: a pause, and no error', async (t) => {
  const far = new Far(t);
  await far.start();
  const near = await Near.start(t, paths(far.address));
  t.match(await near.bdev(), {
    state: 'ok',
    size: 16 * mebibyte,
    paths: [{ name: `127.0.0.1:${far.address.port}`, state: 'live', access: 'optimized' }],
  });
  const perf = near.perf(t, '8s');
  await near.untilBusy();
  const { process } = near.daemon;
  const from = process.lines.length;
  await far.daemon.kill();
  await process.line('a line about the loss', ({ msg }) => /the path was lost/.test(msg), from);
  t.same(await near.pathStates(), ['reconnecting']);
  const metrics = await near.daemon.metrics();
  t.equal(metrics.sum('capsuled_nvmf_path_state', { bdev: 'far0', state: 'reconnecting' }), 1);
  await far.start();
  await process.line('a line about its end', ({ msg }) => msg === 'the path is live', from);
  await near.untilBusy();
  passes(t, reportOf(t, await perf.outcome()));
  t.same(await near.daemon.stop(), { status: 0, signal: null });
});

t.test('one of two paths is cut: the other one takes over, within a second', async (t) => {
  const far = new Far(t);
  await far.start();
  const line = await Line.to(t, far.address);
  const near = await Near.start(t, paths(line.address, far.address));
  await until('both paths', async () => (await near.pathStates()).join() === 'live,live');
  const perf = near.perf(t, '6s');
  await near.untilBusy();
  for (let round = 0; round < 3; round++) {
    line.cut();
    const cutAt = performance.now();
    await near.untilBusy();
    t.ok(performance.now() - cutAt < 1000, 'the load goes on');
    t.same(await near.pathStates(), ['reconnecting', 'live']);
    line.mend();
    await until('the path to be back', async () => (await near.pathStates())[0] === 'live');
  }
  passes(t, reportOf(t, await perf.outcome()));
});

t.test('a file that grows at its target grows here', async (t) => {
  const far = new Far(t);
  await far.start();
  const near = await Near.start(t, paths(far.address));
  truncateSync(far.file, 24 * mebibyte);
  await until('the bdev to grow', async () => (await near.bdev()).size === 24 * mebibyte);
});

t.test('a target that is not there is waited for', async (t) => {
  const far = new Far(t);
  await far.start();
  const { address } = far;
  await far.daemon.kill();
  const near = await Near.start(t, paths(address));
  const bdev = await near.bdev();
  t.equal(bdev.state, 'unavailable');
  t.match(
    bdev.reason,
    /127\.0\.0\.1:\d+: the admin queue ended: connection_refused; this host is /,
  );
  await far.start();
  await until('the bdev', async () => (await near.bdev()).state === 'ok');
  passes(t, reportOf(t, await near.perf(t, '1s').outcome()));
});

t.test('its paths are found by discovery', async (t) => {
  const far = new Far(t);
  await far.start();
  const { address, port } = far.daemon.listener('127.0.0.2');
  const near = await Near.start(t, {
    discovery: [{ address, port }],
    header_digest: true,
    data_digest: true,
  });
  t.match(await near.bdev(), {
    state: 'ok',
    paths: [{ name: `127.0.0.1:${far.address.port}`, state: 'live' }],
  });
  passes(t, reportOf(t, await near.perf(t, '1s').outcome()));
});

t.test('a host that the subsystem does not know is told its name', async (t) => {
  const far = await Daemon.start(
    t,
    configuration({
      subsystems: [subsystem({ allow_any_host: false, hosts: ['nqn.2026-11.com.example:friend'] })],
    }),
  );
  const near = await Near.start(t, paths(far.target()));
  const { reason } = await near.bdev();
  const own = /Connect Invalid Host .*; this host is (nqn\.2014-08\.org\.nvmexpress:uuid:\S+)$/;
  const name = own.exec(reason ?? '')?.[1];
  t.ok(name, reason ?? '');
  const friend = await Near.start(t, {
    ...paths(far.target()),
    hostnqn: 'nqn.2026-11.com.example:friend',
  });
  t.equal((await friend.bdev()).state, 'ok');
});
