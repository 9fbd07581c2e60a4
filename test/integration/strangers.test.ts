import { readFileSync } from 'node:fs';
import t from 'tap';
import { hostileKinds } from '../hostile/kinds.js';
import { HostileLink } from '../hostile/hostile-link.js';
import { AdminQueue } from '../host/admin-queue.js';
import { until } from '../host/bounded.js';
import { TcpHost, makeIdentity } from '../host/tcp-host.js';
import { LogPage, discoveryNqn } from '../../src/wire/layout.gen.js';
import { Daemon, adminWithToken, configuration, subsystemNqn, withToken } from './daemon.js';

const mebibyte = 2 ** 20;
/**
 * Answers that a flood may get while HTTP answers once. That takes HTTP some turns of the loop,
 * twenty are plenty; and in the 5 ms of a turn no more than 200 commands are answered.
 */
const answersMeanwhileMax = 20 * 200;

function start(t: Tap): Promise<Daemon> {
  const log = { level: 'info', format: 'json' };
  return Daemon.start(t, configuration({ log }), '--max-semi-space-size=1');
}

type Tap = Parameters<typeof Daemon.start>[0];

function residentBytes(pid: number): number {
  const [, kibibytes = ''] =
    /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}

/** Hostile connections of a kind, each from its address, that end with the test. */
function attack(
  t: Tap,
  daemon: Daemon,
  name: string,
  addresses: readonly string[],
): { link: HostileLink; ended: () => boolean }[] {
  const { at } = hostileKinds[name]!;
  return addresses.map((address) => {
    const target = at === 'side-car' ? daemon.sideCar() : daemon.target();
    const link = new HostileLink(target, address);
    let isOver = false;
    void link.over.then(() => (isOver = true));
    void hostileKinds[name]!.run(link, subsystemNqn);
    t.teardown(() => {
      link.destroy();
    });
    return { link, ended: () => isOver };
  });
}

/** PDUs that came back on all of them. */
function receivedOn(links: readonly { link: HostileLink }[]): number {
  return links.reduce((sum, { link }) => sum + link.received, 0);
}

/** A host connects, does I/O and reads the discovery log. */
async function serveHonestHost(daemon: Daemon): Promise<void> {
  const host = await TcpHost.connect(daemon.target(), subsystemNqn);
  await host.io.read(0n, 8);
  await host.io.read(0n, 512);
  await host.disconnect();
  const discovery = await AdminQueue.connect(daemon.target(), makeIdentity(discoveryNqn));
  await discovery.enable();
  const log = await discovery.logPage({ lid: LogPage.discovery, bytes: 4096 });
  if (log.length !== 4096) throw new Error(`the log has ${log.length} bytes`);
  await discovery.close();
}

t.test('log pages that nobody reads cost the memory of what they contain', async (t) => {
  const daemon = await start(t);
  await serveHonestHost(daemon);
  const before = residentBytes(daemon.pid);
  const links = attack(t, daemon, 'log-unread', ['127.0.0.1', '127.0.0.1']);
  await until('the limit of what discovery may hold', async () => {
    const metrics = await daemon.metrics();
    const limit = { resource: 'requests', class: 'discovery' };
    return metrics.sum('capsuled_peer_limit_total', limit) > 0;
  });
  await serveHonestHost(daemon);
  // 1,000 MiB were asked for by each.
  t.ok(residentBytes(daemon.pid) - before < 64 * mebibyte, 'little more memory is used');
  for (const { link } of links) link.destroy();
  await daemon.idle();
});

t.test('floods of commands leave their turn to HTTP and to hosts', async (t) => {
  const daemon = await start(t);
  for (const kind of ['property-get', 'log-small', 'bad-cc']) {
    const links = attack(t, daemon, kind, ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1']);
    await until('the flood', () => links.every(({ link }) => link.received > 100));
    const answers = receivedOn(links);
    await serveHonestHost(daemon);
    const before = receivedOn(links);
    t.equal((await daemon.get('/healthz')).status, 200);
    const meanwhile = receivedOn(links) - before;
    t.ok(meanwhile <= answersMeanwhileMax, `${kind}: ${meanwhile} answers before that of HTTP`);
    t.notOk(
      links.some(({ ended }) => ended()),
      'the flood goes on',
    );
    await until('more of it', () => receivedOn(links) > answers);
    for (const { link } of links) link.destroy();
  }
  const lines = daemon.process.lines.filter(({ msg }) => msg.startsWith('CC: '));
  t.ok(lines.length <= 10, 'some lines of thousands');
});

t.test('who holds what it can before Connect keeps nobody out', async (t) => {
  const daemon = await start(t);
  const addresses = Array.from({ length: 300 }, (_, index) => `127.1.0.${1 + (index % 20)}`);
  for (const kind of ['silent', 'drip', 'connect-half', 'connect-r2t', 'discovery']) {
    const links = attack(t, daemon, kind, addresses);
    await until('them to be there', async () => {
      const metrics = await daemon.metrics();
      return metrics.sum('capsuled_connections') >= 300 || links.some(({ ended }) => ended());
    });
    const metrics = await daemon.metrics();
    const open = metrics.sum('capsuled_connections');
    t.ok(open >= 200, `${kind}: ${open} hold what they can`);
    t.equal(metrics.sum('capsuled_buffers', { state: 'large_used' }), 0, `${kind}: no buffer`);
    t.equal(metrics.sum('capsuled_buffers', { state: 'small_used' }), 0, `${kind}: no buffer`);
    await serveHonestHost(daemon);
    for (const { link } of links) link.destroy();
    await until('them to be gone', async () => {
      const now = await daemon.metrics();
      return now.sum('capsuled_connections') === 0;
    });
  }
});

t.test('strangers at the side-car keep neither hosts nor probes out', async (t) => {
  const log = { level: 'info', format: 'json' };
  const daemon = await Daemon.start(t, configuration({ log, admin: adminWithToken }));
  const before = daemon.residentBytes;
  const addresses = Array.from({ length: 400 }, (_, index) => `127.1.0.${1 + (index % 20)}`);
  for (const kind of ['http-pipeline', 'http-refused', 'http-unread', 'http-idle']) {
    const links = attack(t, daemon, kind, addresses);
    await serveHonestHost(daemon);
    t.equal((await daemon.get('/healthz')).status, 200, `${kind}: a probe`);
    t.equal((await daemon.get('/metrics', withToken)).status, 200, `${kind}: a scrape`);
    await serveHonestHost(daemon);
    for (const { link } of links) link.destroy();
  }
  t.ok(daemon.residentBytes - before < 128 * mebibyte, 'little more memory is used');
  const metrics = await daemon.metrics();
  const limit = { resource: 'connections', class: 'http' };
  t.ok(metrics.sum('capsuled_peer_limit_total', limit) > 0, 'some gave way to others');
});
