import { spawnSync } from 'node:child_process';
import t from 'tap';
import { GenericStatus } from '../../src/wire/layout.gen.js';
import { until } from '../host/bounded.js';
import { patternOf } from '../host/pattern.js';
import { generic } from '../host/status.js';
import { TcpHost } from '../host/tcp-host.js';
import { Daemon, configuration, subsystem, subsystemNqn } from './daemon.js';

const hostNqn = 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-00000000000a';
const daemon = await Daemon.start(
  t,
  configuration({
    subsystems: [subsystem({ namespaces: [{ nsid: 7, bdev: 'ram0' }] })],
  }),
);
const nsid = 7;
const host = await TcpHost.connect(daemon.target(), subsystemNqn, { hostNqn, ioQueues: 3 });
t.teardown(() => host.disconnect());

t.test('counters say what the host did', async (t) => {
  for (let count = 0; count < 11; count++) {
    const slba = BigInt(count * 64);
    const queue = host.queues[count % 3]!;
    await queue.write(slba, patternOf({ slba, generation: 1 }, 64), { nsid });
    await queue.read(slba, 64, { nsid });
    await queue.read(slba, 1, { nsid });
  }
  await host.io.flush(nsid);
  await host.io.writeZeroes({ slba: 0n, blocks: 8 }, { nsid });
  await host.io.deallocate([{ slba: 0n, blocks: 8 }], { nsid });
  await host.io.compare(0n, Buffer.alloc(512), { nsid });
  const outside = await host.io.tryRead({ slba: 1n << 40n, blocks: 1 }, { nsid });
  t.equal(outside.status, generic(GenericStatus.lbaOutOfRange));

  const metrics = await daemon.metrics();
  const labels = (op: string) => ({ subsystem: subsystemNqn, nsid: String(nsid), op });
  const operations = (op: string) => metrics.sum('capsuled_io_operations_total', labels(op));
  const bytes = (op: string) => metrics.sum('capsuled_io_bytes_total', labels(op));
  t.equal(operations('write'), 11);
  t.equal(operations('read'), 22);
  t.equal(operations('flush'), 1);
  t.equal(operations('write_zeroes'), 1);
  t.equal(operations('compare'), 1);
  t.equal(bytes('write'), 11 * 64 * 512);
  t.equal(bytes('read'), 11 * 65 * 512);
  t.equal(metrics.sum('capsuled_io_latency_seconds_count', labels('read')), 22);
  t.equal(metrics.sum('capsuled_io_latency_seconds_bucket', { ...labels('read'), le: '+Inf' }), 22);
  t.ok(metrics.sum('capsuled_io_latency_seconds_sum', labels('read')) > 0);

  const mine = { subsystem: subsystemNqn, host_nqn: hostNqn };
  const hostOperations = (op: string) =>
    metrics.sum('capsuled_host_io_operations_total', { ...mine, op });
  t.equal(hostOperations('read'), 22);
  t.equal(hostOperations('write'), 11);
  t.equal(metrics.sum('capsuled_host_io_bytes_total', { ...mine, op: 'write' }), 11 * 64 * 512);

  t.equal(metrics.sum('capsuled_connections'), 4);
  t.equal(metrics.sum('capsuled_connections_total'), 4);
  t.equal(metrics.sum('capsuled_controllers', { subsystem: subsystemNqn }), 1);
  t.equal(metrics.sum('capsuled_admin_command_seconds_count', { opcode: 'connect' }), 4);
});

t.test('a command that fails its checks is counted with its status', async (t) => {
  const metrics = await daemon.metrics();
  const labels = { subsystem: subsystemNqn, nsid: String(nsid), op: 'read', status: '0x0080' };
  t.equal(metrics.sum('capsuled_io_errors_total', labels), 1);
});

t.test('bytes on the wire are counted as the host sent and received them', async (t) => {
  const links = [host.admin, ...host.queues].map(({ link }) => link);
  const sent = links.reduce((sum, link) => sum + link.bytesSent, 0);
  const received = links.reduce((sum, link) => sum + link.bytesReceived, 0);
  const metrics = await daemon.metrics();
  const bytes = (direction: string) => metrics.sum('capsuled_network_bytes_total', { direction });
  t.equal(bytes('receive'), sent);
  t.equal(bytes('send'), received);
});

t.test('promtool finds nothing to complain about', async (t) => {
  const { text } = await daemon.metrics();
  const { status, stdout, stderr, error } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  t.equal(error, undefined);
  t.equal(stdout + stderr, '');
  t.equal(status, 0);
});

t.test('the resources show what is connected', async (t) => {
  const json = async (path: string) => {
    const response = await daemon.get(path);
    t.equal(response.status, 200, path);
    return (await response.json()) as Record<string, unknown>;
  };
  t.equal((await daemon.get('/healthz')).status, 200);
  t.equal((await daemon.get('/readyz')).status, 200);
  const controllers = await json('/v1/controllers');
  t.match(JSON.stringify(controllers), hostNqn);
  const connections = await json('/v1/connections');
  t.match(JSON.stringify(connections), subsystemNqn);
  for (const path of ['subsystems', 'bdevs', 'reactors', 'config']) await json(`/v1/${path}`);
  const { openapi } = await json('/openapi.json');
  t.match(openapi, /^3\./);
});

t.test('a host that left is not connected any more, and its counters stay', async (t) => {
  await host.disconnect();
  await daemon.idle();
  const metrics = await until('no controllers', async () => {
    const scraped = await daemon.metrics();
    return scraped.sum('capsuled_controllers') === 0 && scraped;
  });
  t.equal(metrics.sum('capsuled_connections'), 0);
  t.equal(metrics.sum('capsuled_host_io_operations_total', { host_nqn: hostNqn, op: 'read' }), 22);
});
