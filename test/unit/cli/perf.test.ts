import t from 'tap';
import { perf } from '../../../src/cli/perf.js';
import { main } from '../../../src/cli/program.js';
import type { PerfWords } from '../../../src/cli/perf-options.js';
import type {
  LoadLatency,
  LoadOperations,
  LoadOptions,
  LoadReport,
  LoadRun,
} from '../../../src/engine/load-types.js';
import { TargetError } from '../../../src/errors.js';
import { GenericStatus, StatusCodeType } from '../../../src/wire/layout.gen.js';
import { packStatus } from '../../../src/wire/status.js';

const target = 'tcp://127.0.0.1:4420/nqn.2026-11.com.example:disk0';

const words: PerfWords = {
  rw: 'randrw',
  bs: '4KiB',
  qd: '32',
  qpairs: '2',
  time: '2s',
  warmUp: '0',
  poll: 'busy',
};

const lbaOutOfRange = packStatus(StatusCodeType.generic, GenericStatus.lbaOutOfRange);

const latency: LoadLatency = {
  minNs: 1000,
  meanNs: 2500,
  p50Ns: 2000,
  p90Ns: 3000,
  p99Ns: 4000,
  p999Ns: 5000,
  p9999Ns: 6000,
  maxNs: 7000,
};

function operations(count: number, errors = 0): LoadOperations {
  return { operations: count, bytes: count * 4096, errors, latency };
}

const report: LoadReport = {
  read: operations(3000),
  write: operations(1000),
  total: operations(4000),
  elapsedNs: 2e9,
  busyNs: 8e6,
  reconnects: 0,
  blockBytes: 512,
  blockCount: 131_072n,
  model: 'capsuled',
  serial: 'ABC123',
  firmware: '',
  qpairs: 2,
  failure: '',
  firstErrorStatus: 0,
  verify: { blocksChecked: 0, blocksUnchecked: 0, mismatches: 0 },
};

const damaged: LoadReport['verify'] = {
  blocksChecked: 10,
  blocksUnchecked: 5,
  mismatches: 1,
  first: {
    kind: 'stale write',
    lba: 77n,
    byteOffset: 16,
    expectedOldest: 3,
    expectedNewest: 4,
    foundGeneration: 2,
    foundLba: 77n,
    expectedWord: 0xabn,
    foundWord: 0xcdn,
  },
};

/** Runs the command against an engine that answers `answer`. */
async function run(answer: Partial<LoadReport>, given: Partial<PerfWords> = {}, at = target) {
  let out = '';
  let error = '';
  const started: LoadOptions[] = [];
  const start = (options: LoadOptions): LoadRun => {
    started.push(options);
    return {
      report: Promise.resolve({ ...report, ...answer }),
      stop: () => undefined,
      progress: () => ({ operations: 0, bytes: 0, errors: 0 }),
    };
  };
  const status = await perf(
    at,
    { ...words, ...given },
    {
      out: (text) => (out += text),
      error: (text) => (error += text),
      isTTY: false,
      color: false,
    },
    start,
  );
  return { status, out, error, started };
}

t.test('the text says rate, latency and own cost, with status 0', async (t) => {
  const { status, out, error, started } = await run({});
  t.equal(status, 0);
  t.equal(error, '');
  t.match(started, [
    { target: { type: 'tcp', address: '127.0.0.1', port: 4420 }, qpairs: 2, readPercent: 50 },
  ]);
  t.equal(
    out,
    `nqn.2026-11.com.example:disk0, namespace 1: capsuled, serial ABC123, 64MiB in blocks of 512
read  1,500 IOPS, 0.006 GiB/s
      latency, µs: min 1.0  mean 2.5  p50 2.0  p90 3.0  p99 4.0  p99.9 5.0  p99.99 6.0  max 7.0
write 500 IOPS, 0.002 GiB/s
      latency, µs: min 1.0  mean 2.5  p50 2.0  p90 3.0  p99 4.0  p99.9 5.0  p99.99 6.0  max 7.0
own cost: 2.00 µs of a core for each I/O
`,
  );
});

t.test('a kind of I/O that the load has not is left out', async (t) => {
  const { out } = await run({ write: operations(0), total: operations(3000) });
  t.match(out, /^read /m);
  t.notMatch(out, /^write /m);
});

t.test('the first line says what was measured', async (t) => {
  const drive = await run(
    { model: 'Some\u0007 Drive', firmware: '1.0', blockCount: 1_953_525_168n },
    { rw: 'randread' },
    'pcie://0000:01:00.0?nsid=2',
  );
  t.equal(
    drive.out.split('\n')[0],
    '0000:01:00.0, namespace 2: Some\\u{7} Drive, serial ABC123, firmware 1.0, 931.5GiB in blocks of 512',
  );
  const none = { model: '', serial: '', blockCount: 2048n };
  const stack = await run(none, {}, 'bdev:delay?read=1ms&base=malloc?size=1MiB');
  t.equal(stack.out.split('\n')[0], 'bdev delay on malloc: 1MiB in blocks of 512');
});

t.test('--json says what was measured, and how it was made', async (t) => {
  const facts = async (at: string, answer: Partial<LoadReport> = {}) => {
    const { out } = await run(answer, { json: true, rw: 'randread' }, at);
    return (JSON.parse(out) as { target: object }).target;
  };
  const found = {
    model: 'capsuled',
    serial: 'ABC123',
    firmware: '',
    block_size: 512,
    size: 67_108_864,
  };
  const subnqn = 'nqn.2026-11.com.example:disk0';
  const tcp = { type: 'tcp', address: '127.0.0.1', port: 4420, subnqn, nsid: 1 };
  t.strictSame(await facts(target), { ...tcp, ...found });
  const pcie = { type: 'pcie', address: '0000:01:00.0', nsid: 1 };
  t.strictSame(await facts('pcie://0000:01:00.0'), { ...pcie, ...found });
  const unknown = { blockBytes: 0, blockCount: 0n, failure: 'no' };
  t.match(await facts('pcie://0000:01:00.0', unknown), { model: null, size: null });
  t.strictSame(await facts('bdev:delay?read=1ms&base=malloc?size=64MiB'), {
    type: 'bdev',
    bdevs: [
      { name: 'bdev0', kind: 'delay', base: 'bdev1', read: '1ms', seed: 0 },
      { name: 'bdev1', kind: 'malloc', size: '64MiB', block_size: 512 },
    ],
    block_size: 512,
    size: 67_108_864,
  });
});

t.test('errors of I/O have status 1 and name the first', async (t) => {
  const { status, out, error } = await run({
    write: operations(1000, 3),
    total: operations(4000, 3),
    firstErrorStatus: lbaOutOfRange,
  });
  t.equal(status, 1);
  t.match(out, /^write .*, 3 errors$/m);
  t.match(error, /^first error: LBA Out of Range$/m);
});

t.test('a run that failed has status 1 and says why on one line', async (t) => {
  const { status, out, error } = await run({
    read: operations(0),
    write: operations(0),
    total: operations(0),
    elapsedNs: 0,
    failure: 'the admin queue ended: connection_refused',
  });
  t.equal(status, 1);
  t.equal(out, '');
  t.equal(error, 'capsuled: error: the admin queue ended: connection_refused\n');
});

t.test('--verify says what was checked, and where the first damage is', async (t) => {
  const verify = { blocksChecked: 10, blocksUnchecked: 5, mismatches: 0 };
  const good = await run({ verify }, { verify: true });
  t.equal(good.status, 0);
  t.match(good.out, /^verified: 10 blocks right, 5 blocks never written by this run$/m);
  const bad = await run({ verify: damaged }, { verify: true });
  t.equal(bad.status, 1);
  t.match(bad.out, /^verified: 10 blocks right, 1 reads wrong, 5 blocks never written/m);
  t.equal(
    bad.error,
    'wrong data: stale write at LBA 77, byte 16: expected generation 3 to 4 ' +
      '(00000000000000ab), found generation 2 of LBA 77 (00000000000000cd)\n',
  );
});

t.test('--json prints the same for scripts, and nothing else', async (t) => {
  const good = await run({ reconnects: 4 }, { json: true });
  t.equal(good.status, 0);
  t.equal(good.error, '');
  t.match(JSON.parse(good.out), {
    target: { type: 'tcp', address: '127.0.0.1', port: 4420, nsid: 1 },
    load: {
      pattern: 'random',
      read_percent: 50,
      sizes: [{ bytes: 4096, weight: 1 }],
      queue_depth: 32,
      qpairs: 2,
    },
    seconds: 2,
    read: {
      operations: 3000,
      errors: 0,
      iops: 1500,
      bytes_per_second: 6_144_000,
      latency_us: { min: 1, mean: 2.5, 'p99.99': 6, max: 7 },
    },
    total: { operations: 4000 },
    client_busy_us_per_io: 2,
    reconnects: 4,
    verify: null,
    failure: null,
    first_error: null,
  });
  const bad = await run(
    { verify: damaged, failure: 'no answer in 30 s', firstErrorStatus: lbaOutOfRange },
    { json: true, verify: true },
  );
  t.equal(bad.status, 1);
  t.equal(bad.error, '');
  t.match(JSON.parse(bad.out), {
    verify: { blocks_checked: 10, blocks_unchecked: 5, mismatches: 1, first: /LBA 77, byte 16/ },
    failure: 'no answer in 30 s',
    first_error: 'LBA Out of Range',
  });
});

t.test('a run that measured nothing has no infinite figures', async (t) => {
  const none = { read: operations(0), write: operations(0), total: operations(0), elapsedNs: 0 };
  const { out } = await run(none, { json: true });
  t.match(JSON.parse(out), { seconds: 0, total: { iops: 0 }, client_busy_us_per_io: null });
});

t.test('SIGINT and SIGTERM end the measuring early', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    let stopped = 0;
    const listeners = process.listenerCount(signal);
    const quiet = { out: () => undefined, error: () => undefined, isTTY: false, color: false };
    const status = await perf(target, words, quiet, () => {
      let finish: (value: LoadReport) => void = () => undefined;
      const promise = new Promise<LoadReport>((resolve) => (finish = resolve));
      process.nextTick(() => process.emit(signal));
      return {
        report: promise,
        stop: () => {
          stopped += 1;
          finish(report);
        },
        progress: () => ({ operations: 0, bytes: 0, errors: 0 }),
      };
    });
    t.equal(status, 0);
    t.equal(stopped, 1, signal);
    t.equal(process.listenerCount(signal), listeners, 'its listener is gone');
  }
});

t.test('an engine that does not start is an error, and leaves no listener', async (t) => {
  const listeners = process.listenerCount('SIGINT');
  const quiet = { out: () => undefined, error: () => undefined, isTTY: true, color: false };
  const failing = () => ({
    report: Promise.reject(new TargetError('platform_unsupported', 'no io_uring')),
    stop: () => undefined,
    progress: () => ({ operations: 0, bytes: 0, errors: 0 }),
  });
  await t.rejects(perf(target, words, quiet, failing), { code: 'platform_unsupported' });
  t.equal(process.listenerCount('SIGINT'), listeners);
});

t.test('wrong usage has status 2 and one line that names what is wrong', async (t) => {
  const usages: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /missing required argument 'target'/],
    [[target, '--colour'], /unknown option '--colour'/],
    [['nowhere'], /TARGET: expected tcp:\S+, pcie:\S+ or bdev:\S+, got "nowhere"/],
    [['bdev:malloc?sise=1MiB'], /TARGET: sise: .*did you mean "size"\?/],
    [['pcie://0000:01:00.0', '--rw', 'write'], /--allow: expected data-loss, because --rw write/],
    [[target, '--qd', '0'], /--qd: expected a whole number from 1 to 1023, got "0"/],
    [[target, '--time', '10'], /--time: expected a time .*got "10"/],
    [[target, '--verify'], /--verify .*expected --rw with writes, got randread/],
  ];
  for (const [args, message] of usages) {
    let error = '';
    const status = await main(['perf', ...args], {
      out: () => undefined,
      error: (text) => (error += text),
      isTTY: false,
      color: false,
    });
    t.equal(status, 2, args.join(' '));
    t.match(error, message);
  }
});
