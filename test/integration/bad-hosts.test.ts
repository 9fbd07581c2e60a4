import t from 'tap';
import { HostileLink } from '../hostile/hostile-link.js';
import { hostKinds } from '../hostile/host-kinds.js';
import { until } from '../host/bounded.js';
import { patternOf } from '../host/pattern.js';
import { TcpHost } from '../host/tcp-host.js';
import { Daemon, configuration, subsystemNqn } from './daemon.js';
import type { Scraped } from './metrics.js';

type Tap = Parameters<typeof Daemon.start>[0];

const addresses = ['127.1.0.1', '127.1.0.2', '127.1.0.3'];

function attack(t: Tap, daemon: Daemon, kind: string): HostileLink[] {
  return addresses.map((address) => {
    const link = new HostileLink(daemon.target(), address);
    void hostKinds[kind]!.run(link, subsystemNqn);
    t.teardown(() => {
      link.destroy();
    });
    return link;
  });
}

const limitOf =
  (...resources: readonly string[]) =>
  (metrics: Scraped): boolean =>
    resources.some((resource) => isMet(metrics, resource, 'io'));

function isMet(metrics: Scraped, resource: string, peerClass: string): boolean {
  return metrics.sum('capsuled_peer_limit_total', { resource, class: peerClass }) > 0;
}

/** What shows that hosts of a kind hold all that they may. */
const reached: Readonly<Record<string, (metrics: Scraped) => boolean>> = {
  'owe-large': limitOf('bdev_buffers', 'large_buffers'),
  'owe-small': limitOf('bdev_buffers', 'small_buffers', 'host_waits'),
  'unread-large': limitOf('bdev_buffers', 'large_buffers'),
  'unread-small': limitOf('bdev_buffers', 'small_buffers', 'requests'),
  // Four requests for events of each connection, and all others that admin queues have.
  events: (metrics) =>
    metrics.sum('capsuled_request_states', { state: 'executing' }) >= 4 * addresses.length &&
    isMet(metrics, 'requests', 'admin'),
  'stall-stream': limitOf('bdev_buffers', 'large_buffers'),
};

/** Where the bad hosts read and write, so that nothing of theirs may come there. */
async function writeAndRead(host: TcpHost, blocks: number, generation: number): Promise<boolean> {
  const pattern = patternOf({ slba: 0n, generation }, blocks);
  await host.io.write(0n, pattern);
  return (await host.io.read(0n, blocks)).equals(pattern);
}

t.strictSame(Object.keys(reached), Object.keys(hostKinds), 'every kind is here');

for (const kind of Object.keys(hostKinds)) {
  t.test(`${kind}: hosts that stop let another one connect, read and write`, async (t) => {
    const engine = { reactors: 1, memory: '64MiB' };
    const log = { level: 'info', format: 'json' };
    const daemon = await Daemon.start(t, configuration({ engine, log }));
    const early = await TcpHost.connect(daemon.target(), subsystemNqn);
    const links = attack(t, daemon, kind);
    await until('them to hold what they may', async () => reached[kind]!(await daemon.metrics()));
    const late = await TcpHost.connect(daemon.target(), subsystemNqn);
    for (let generation = 1; generation <= 8; generation += 1) {
      for (const host of [early, late]) {
        t.ok(await writeAndRead(host, 8, generation), 'the 4 KiB that were written');
        t.ok(await writeAndRead(host, 512, generation), 'the 256 KiB that were written');
      }
    }
    t.notOk(
      links.some(({ isOver }) => isOver),
      'the others are still there',
    );
    for (const link of links) link.destroy();
    await Promise.all([early.disconnect(), late.disconnect()]);
    await daemon.idle();
  });
}
