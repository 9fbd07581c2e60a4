import { spawnSync } from 'node:child_process';
import t from 'tap';
import { exportedBounds } from '../../../src/metrics/family.js';
import { HostTotals, OTHER_HOSTS, PAIRS_MAX } from '../../../src/metrics/host-totals.js';
import { Metrics, wantsOpenMetrics } from '../../../src/metrics/metrics.js';
import { FakeEngine } from './fake-engine.js';
import { HOST, NQN, controller, fakeTarget } from './fake-target.js';

function setup() {
  const engine = new FakeEngine();
  const target = fakeTarget();
  const hostTotals = new HostTotals(engine);
  hostTotals.target = target;
  const reload: { last: { success: boolean; at: Date } | null } = { last: null };
  const metrics = new Metrics({
    engine,
    target,
    hostTotals,
    logSink: { linesLostTotal: 3 },
    version: '1.2.3',
    reloaded: () => reload.last,
    httpLimitCounts: () => new Map([['connections', 4]]),
  });
  return { engine, target, hostTotals, metrics, reload };
}

const driveHealth = {
  criticalWarning: 1,
  temperatureKelvin: 310,
  availableSpare: 90,
  availableSpareThreshold: 10,
  percentageUsed: 120,
  dataUnitsRead: 2,
  dataUnitsWritten: 3,
  powerCycles: 4,
  powerOnHours: 5,
  unsafeShutdowns: 6,
  mediaErrors: 5,
};

/** read: 3 operations of 4096 bytes, one in each of three buckets; write: none. */
function someReads(engine: FakeEngine): void {
  const words = BigUint64Array.from(new Array(2 * 11).fill(0n) as bigint[]);
  words.set([3n, 12288n, 1n, 5_000n, 1n, 0n, 1n, 0n, 0n, 0n, 1n]);
  engine.namespaces.set('1/1', words);
  engine.errors = [{ operation: 'read', status: 0x4281, count: 1n }];
}

t.test('every metric of the interface is there, and promtool accepts all of it', async (t) => {
  const { engine, target, metrics } = setup();
  someReads(engine);
  engine.controllers.set(1, BigUint64Array.from([3n, 12288n, 0n, 0n]));
  engine.reactors[1]?.set([2_500_000_000n, 0n, 7n, 1n]);
  engine.transports[0]?.set([4n, 2n, 9n, 1n, 3n]);
  engine.transports[1]?.set([6n, 0n, 9n, 0n, 4n]);
  target.counters.connectRejected('host_not_allowed');
  target.bdevs = target.bdevs.map((bdev) => ({
    ...bdev,
    states: ['lost_flush'],
    health: { ...bdev.health, failureCount: 2 },
    drive: { resets: 2, bounceCopies: 0, health: driveHealth },
    paths: [{ name: '192.0.2.1:4420', state: 'reconnecting', access: '', reason: 'silent' }],
  }));
  metrics.observeCommand('identify', 0.0002);
  const { contentType, body } = await metrics.scrape('text/plain');
  t.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8');
  const labels = `subsystem="${NQN}",nsid="1"`;
  const expected = [
    `capsuled_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
    'capsuled_log_lines_dropped_total 3',
    'capsuled_reactor_busy_seconds_total{reactor="1"} 2.5',
    'capsuled_reactor_idle_seconds_total{reactor="0"} 0',
    `capsuled_connections{subsystem="${NQN}",listener="127.0.0.1:4420"} 2`,
    'capsuled_connections_total 10',
    `capsuled_controllers{subsystem="${NQN}"} 1`,
    `capsuled_io_operations_total{${labels},op="read"} 3`,
    `capsuled_io_bytes_total{${labels},op="read"} 12288`,
    `capsuled_io_errors_total{${labels},op="read",status="0x0281"} 1`,
    `capsuled_io_latency_seconds_bucket{${labels},op="read",le="0.000001"} 1`,
    `capsuled_io_latency_seconds_bucket{${labels},op="read",le="0.000002"} 2`,
    `capsuled_io_latency_seconds_bucket{${labels},op="read",le="+Inf"} 3`,
    `capsuled_io_latency_seconds_sum{${labels},op="read"} 0.000005`,
    `capsuled_io_latency_seconds_count{${labels},op="read"} 3`,
    `capsuled_host_io_operations_total{subsystem="${NQN}",host_nqn="${HOST}",op="read"} 3`,
    `capsuled_host_io_bytes_total{subsystem="${NQN}",host_nqn="${HOST}",op="read"} 12288`,
    'capsuled_bdev_state{bdev="ram0",state="lost_flush"} 1',
    'capsuled_bdev_state{bdev="ram0",state="hung"} 0',
    'capsuled_bdev_state{bdev="ram0",state="ok"} 0',
    'capsuled_bdev_failures_total{bdev="ram0",kind="malloc"} 2',
    'capsuled_bdev_operations_total{bdev="ram0",kind="malloc",op="read"} 5',
    'capsuled_bdev_latency_seconds_total{bdev="ram0",kind="malloc",op="read"} 1.5',
    'capsuled_qos_delayed_total{bdev="ram0"} 3',
    'capsuled_nvme_resets_total{bdev="ram0"} 2',
    'capsuled_bounce_copies_total{bdev="ram0"} 0',
    'capsuled_drive_critical_warnings{bdev="ram0"} 1',
    'capsuled_drive_temperature_celsius{bdev="ram0"} 37',
    'capsuled_drive_available_spare_ratio{bdev="ram0"} 0.9',
    'capsuled_drive_used_ratio{bdev="ram0"} 1.2',
    'capsuled_drive_read_bytes_total{bdev="ram0"} 1024000',
    'capsuled_drive_media_errors_total{bdev="ram0"} 5',
    'capsuled_nvmf_path_state{bdev="ram0",path="192.0.2.1:4420",state="live"} 0',
    'capsuled_nvmf_path_state{bdev="ram0",path="192.0.2.1:4420",state="reconnecting"} 1',
    'capsuled_pdu_errors_total{reason="pdu_sequence"} 1',
    'capsuled_peer_limit_total{resource="small_buffers",class="io"} 7',
    'capsuled_peer_limit_total{resource="connections",class="http"} 4',
    'capsuled_connect_rejected_total{reason="host_not_allowed"} 1',
    'capsuled_keep_alive_commands_total 0',
    'capsuled_keep_alive_expired_total 0',
    'capsuled_buffers{reactor="1",state="small_free"} 7',
    'capsuled_buffers{reactor="1",state="small_used"} 1',
    'capsuled_connection_states{reactor="0",state="live"} 2',
    'capsuled_admin_command_seconds_bucket{le="0.00025",opcode="identify"} 1',
  ];
  const lines = new Set(body.split('\n'));
  for (const line of expected) t.ok(lines.has(line) || lines.has(scientific(line)), line);
  t.match(body, /^process_resident_memory_bytes /m);
  t.notMatch(body, /io_latency_seconds_bucket.*op="write"/, 'no histogram of what never happened');
  t.notMatch(body, /host_io_operations_total.*op="write"/, 'no series of what a host never did');
  const promtool = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
  t.equal(promtool.status, 0, promtool.stderr + promtool.stdout);
});

t.test('one thing has one name, in metrics as in the log and the API', async (t) => {
  const { engine, metrics } = setup();
  someReads(engine);
  engine.controllers.set(1, BigUint64Array.from([3n, 12288n, 0n, 0n]));
  const { body } = await metrics.scrape('text/plain');
  const ours = body.split('\n').filter((line) => line.startsWith('capsuled_'));
  const labels = ours.flatMap((line) => [...line.matchAll(/[{,]([^="{,]+)="/g)]);
  t.strictSame([...new Set(labels.map(([, label]) => label))].sort(), [
    ...[
      'bdev',
      'class',
      'direction',
      'host_nqn',
      'kind',
      'le',
      'listener',
      'node',
      'nsid',
      'op',
      'reactor',
    ],
    ...['reason', 'resource', 'state', 'status', 'subsystem', 'version'],
  ]);
});

/** JavaScript writes 0.000001 as it is, and smaller numbers with an exponent. */
function scientific(line: string): string {
  return line
    .replace(/le="(0\.0+[1-9])"/, (_, bound: string) => `le="${Number(bound)}"`)
    .replace(/ (0\.0+[1-9])$/, (_, value: string) => ` ${Number(value)}`);
}

t.test(
  'OpenMetrics is given to who asks for it, and does not spoil the other format',
  async (t) => {
    const { metrics } = setup();
    const accept = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3';
    const before = (await metrics.scrape()).body;
    const { contentType, body } = await metrics.scrape(accept);
    t.match(contentType, /^application\/openmetrics-text/);
    t.match(body, /^# TYPE capsuled_connections_total unknown\ncapsuled_connections_total 0$/m);
    t.match(
      body,
      /^# TYPE capsuled_keep_alive_expired counter\ncapsuled_keep_alive_expired_total 0$/m,
    );
    t.match(body, /^# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total /m);
    t.ok(body.endsWith('# EOF\n'));
    const names = (text: string) => text.split('\n').filter((line) => line.startsWith('# TYPE'));
    t.strictSame(names((await metrics.scrape()).body), names(before));
  },
);

t.test('the event loop is timed when it is asked for, not by a timer', async (t) => {
  const { metrics } = setup();
  const names = (await metrics.scrape()).body.match(/^nodejs_eventloop_lag\w*(?= )/gm) ?? [];
  t.strictSame(names, ['nodejs_eventloop_lag_seconds']);
});

t.test('the Accept header is read with its qualities', async (t) => {
  t.equal(wantsOpenMetrics(''), false);
  t.equal(wantsOpenMetrics('*/*'), false);
  t.equal(wantsOpenMetrics('application/openmetrics-text'), true);
  t.equal(wantsOpenMetrics('application/openmetrics-text;q=0.1, text/plain;q=0.9'), false);
});

t.test("a host's totals go on when its controller is gone", async (t) => {
  const { engine, target, hostTotals } = setup();
  engine.controllers.set(1, BigUint64Array.from([3n, 300n, 1n, 10n]));
  const ended = hostTotals.onControllerEnding(controller(1));
  engine.controllers.delete(1);
  ended();
  target.controllers = [controller(2)];
  engine.controllers.set(2, BigUint64Array.from([2n, 200n, 0n, 0n]));
  const [total, ...others] = [...hostTotals.read()];
  t.strictSame(others, []);
  t.strictSame(total?.operations.get('read'), { operations: 5, bytes: 500 });
  t.strictSame(total?.operations.get('write'), { operations: 1, bytes: 10 });
  t.strictSame([...hostTotals.read()][0], total, 'reading changes nothing');
});

t.test('what ended while the queues closed counts too, and discovery does not', async (t) => {
  const { engine, target, hostTotals } = setup();
  target.controllers = [];
  engine.controllers.set(1, BigUint64Array.from([3n, 300n, 0n, 0n]));
  const ended = hostTotals.onControllerEnding(controller(1));
  engine.controllers.set(1, BigUint64Array.from([4n, 400n, 0n, 0n]));
  ended();
  hostTotals.onControllerEnding({ ...controller(1), kind: 'discovery' })();
  const [total] = [...hostTotals.read()];
  t.strictSame(total?.operations.get('read'), { operations: 4, bytes: 400 });
});

t.test('a scrape reads each of the statistics once, and anew', async (t) => {
  const { engine, target, metrics } = setup();
  target.bdevs = [1, 2, 3].map((n) => ({ ...target.bdevs[0]!, name: `ram${n}` }));
  const reads = new Map<string, number>();
  const names = [
    ...['bdevStats', 'controllerStats', 'namespaceErrors'],
    ...['namespaceStats', 'reactorStats', 'transportStats'],
  ] as const;
  for (const name of names) {
    const read = Reflect.get(engine, name) as (...parameters: unknown[]) => unknown;
    t.intercept(engine, name, {
      value: (...parameters: unknown[]) => {
        reads.set(name, (reads.get(name) ?? 0) + 1);
        return read.apply(engine, parameters);
      },
    });
  }
  const once = { bdevStats: 3, controllerStats: 1, namespaceErrors: 1, namespaceStats: 1 };
  const expected = { ...once, reactorStats: 1, transportStats: 1 };
  await metrics.scrape();
  t.strictSame(Object.fromEntries([...reads].sort()), expected);
  reads.clear();
  engine.transports[0]?.set([7n]);
  const { body } = await metrics.scrape('application/openmetrics-text');
  t.strictSame(Object.fromEntries([...reads].sort()), expected);
  t.match(body, /^capsuled_connections_total 7$/m);
});

t.test('a name that connects and does no I/O is nobody in the metrics', async (t) => {
  const { engine, target, hostTotals } = setup();
  for (let index = 0; index < 2 * PAIRS_MAX; index += 1) {
    target.controllers = [controller(index + 1, `nqn.stranger:${index}`)];
    engine.controllers.set(index + 1, BigUint64Array.from([0n, 0n, 0n, 0n]));
    const ended = hostTotals.onControllerEnding(target.controllers[0]!);
    engine.controllers.delete(index + 1);
    ended();
  }
  target.controllers = [{ ...controller(9000, 'nqn.stranger:x'), qids: [0] }];
  t.strictSame([...hostTotals.read()], []);
});

t.test('of the hosts that are gone, the one that went first is forgotten first', async (t) => {
  const { engine, target, hostTotals } = setup();
  const serve = (index: number, name: string): void => {
    target.controllers = [controller(index, name)];
    engine.controllers.set(index, BigUint64Array.from([1n, 1n, 0n, 0n]));
    const ended = hostTotals.onControllerEnding(target.controllers[0]!);
    engine.controllers.delete(index);
    ended();
  };
  serve(1, 'nqn.host:first');
  serve(2, 'nqn.host:second');
  serve(3, 'nqn.host:first');
  for (let index = 0; index < PAIRS_MAX - 1; index += 1) serve(10 + index, `nqn.host:${index}`);
  target.controllers = [];
  const names = [...hostTotals.read()].map(({ hostNqn }) => hostNqn);
  t.equal(names.length, PAIRS_MAX + 1);
  t.equal(names.at(-1), OTHER_HOSTS);
  t.ok(names.includes('nqn.host:first'));
  t.notOk(names.includes('nqn.host:second'));
});

t.test('the hosts that are told apart are bounded, and no counter goes back', async (t) => {
  const { engine, target, hostTotals } = setup();
  const before = new Map<string, number>();
  const check = (what: string): number => {
    let sum = 0;
    const back: string[] = [];
    for (const { hostNqn, operations } of hostTotals.read()) {
      const count = operations.get('read')?.['operations'] ?? 0;
      if (count < (before.get(hostNqn) ?? 0)) back.push(hostNqn);
      before.set(hostNqn, count);
      sum += count;
    }
    t.strictSame(back, [], what);
    return sum;
  };
  const names = Array.from({ length: 2000 }, (_, index) => `nqn.host:${index}`);
  // The first has two controllers, one of which lives to the end.
  const all = [names[0]!, ...names].map((name, index) => controller(index + 1, name));
  target.controllers = all;
  for (const [index, { controller: handle }] of all.entries()) {
    engine.controllers.set(handle, BigUint64Array.from([BigInt(index + 1), 1n, 0n, 0n]));
  }
  const total = (2001 * 2002) / 2;
  t.equal(check('all live'), total);
  t.equal([...hostTotals.read()].length, 2000, 'each that lives has its own');
  for (const ending of all.slice(1)) {
    const { controller: handle } = ending;
    const others = target.controllers.filter((view) => view !== ending);
    const ended = hostTotals.onControllerEnding(ending);
    target.controllers = [{ ...ending, state: 'terminating', qids: [] }, ...others];
    if (handle % 100 === 0) t.equal(check(`${handle} is ending`), total);
    engine.controllers.delete(handle);
    if (handle % 100 === 0) t.equal(check(`${handle} is forgotten by the engine`), total);
    ended();
    target.controllers = others;
    if (handle % 100 === 0) t.equal(check(`${handle} has ended`), total);
  }
  t.equal(check('one lives'), total);
  t.equal([...hostTotals.read()].length, PAIRS_MAX + 1, 'the last ones, and `other`');
  t.equal([...hostTotals.read()].at(-1)?.hostNqn, OTHER_HOSTS);
  t.ok([...hostTotals.read()].some(({ hostNqn }) => hostNqn === names[0]));
});

t.test('of the buckets, each that is exported is at least twice the one before', async (t) => {
  t.strictSame(exportedBounds([1000, 1250, 1500, 1750, 2000, 2500]), [
    { index: 0, seconds: 0.000001 },
    { index: 4, seconds: 0.000002 },
  ]);
});

t.test('what is unavailable, and what drains, has its own samples', async (t) => {
  const { target, metrics, reload } = setup();
  const parameters = { name: 'file0', kind: 'uring', path: '/x' };
  const since = new Date(0);
  target.unavailable = { bdevs: [{ parameters, reason: 'gone', since }], endpoints: [] };
  target.drains = [
    { what: 'bdev ram0', bdev: { name: 'ram0', kind: 'malloc' }, since, state: 'overdue' },
    { what: 'subsystem x', bdev: null, since, state: 'draining' },
  ];
  const [first] = target.subsystems;
  target.subsystems = [{ ...first!, missingNamespaces: [{ nsid: 9, bdev: 'file0' }] }];
  t.notMatch((await metrics.scrape()).body, /^capsuled_config_reload_success /m);
  reload.last = { success: false, at: new Date(5000) };
  const { body } = await metrics.scrape();
  const lines = body.split('\n');
  for (const line of [
    'capsuled_bdev_state{bdev="ram0",state="ok"} 1',
    'capsuled_bdev_state{bdev="file0",state="unavailable"} 1',
    'capsuled_bdev_state{bdev="ram0",state="draining"} 1',
    `capsuled_namespace_available{subsystem="${NQN}",nsid="1"} 1`,
    `capsuled_namespace_available{subsystem="${NQN}",nsid="9"} 0`,
    'capsuled_config_reload_success 0',
    'capsuled_config_reload_timestamp_seconds 5',
  ]) {
    t.ok(lines.includes(line), line);
  }
});
