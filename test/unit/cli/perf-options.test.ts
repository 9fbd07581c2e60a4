import t from 'tap';
import { type PerfWords, loadOptions } from '../../../src/cli/perf-options.js';
import { type PerfTarget, parsePerfTarget } from '../../../src/cli/perf-target.js';
import type { LoadOptions, TcpLoadTarget } from '../../../src/engine/load-types.js';

const target = {
  type: 'tcp',
  address: '127.0.0.1',
  port: 4420,
  subnqn: 'nqn.2026-11.com.example:a',
  nsid: 1,
} as const;
const drive = { type: 'pcie', address: '0000:01:00.0', nsid: 1 } as const;

/** As the command line has them when nothing is said. */
const words: PerfWords = {
  rw: 'randread',
  bs: '4KiB',
  qd: '32',
  qpairs: '1',
  time: '10s',
  warmUp: '500ms',
  poll: 'busy',
};

function options(given: Partial<PerfWords> = {}, of: PerfTarget = target): LoadOptions {
  return loadOptions(of, { ...words, ...given });
}

function remote(given: Partial<PerfWords> = {}): TcpLoadTarget {
  return options(given).target as TcpLoadTarget;
}

t.test('what is not said has its default', (t) => {
  const { target: at, seed, ...rest } = options();
  const { hostnqn, hostid, ...place } = at as TcpLoadTarget;
  t.same(place, { ...target, headerDigest: false, dataDigest: false });
  t.same(rest, {
    qpairs: 1,
    queueDepth: 32,
    pattern: 'random',
    readPercent: 100,
    sizes: [{ bytes: 4096, weight: 1 }],
    regionBytes: 0n,
    offsetBytes: 0n,
    warmUpNs: 500_000_000,
    durationNs: 10_000_000_000,
    operationsMax: 0,
    rateIops: 0,
    verify: false,
    reconnectNs: 0,
    cores: [-1],
    poll: 'busy',
  });
  t.match(hostnqn, /^nqn\.2014-08\.org\.nvmexpress:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
  t.equal(hostid.length, 16);
  t.type(seed, 'bigint');
  t.end();
});

t.test('each run is a host of its own with places of its own', (t) => {
  const [first, second] = [options(), options()];
  t.not(first.seed, second.seed);
  t.not(remote().hostnqn, remote().hostnqn);
  t.notSame(remote().hostid, remote().hostid);
  t.end();
});

t.test('each option goes where it belongs', (t) => {
  t.match(
    options({
      rw: 'rw',
      readPercent: '70',
      bs: '4KiB:70,128KiB:30',
      qd: '1023',
      qpairs: '8',
      time: '2m',
      warmUp: '0',
      count: '1000',
      rate: '5000',
      verify: true,
      region: '1GiB',
      offset: '64KiB',
      headerDigest: true,
      dataDigest: true,
      reconnect: '250ms',
      cores: '1,3',
      poll: 'interrupt',
      seed: '0',
      hostnqn: 'nqn.2026-11.com.example:host',
    }),
    {
      pattern: 'sequential',
      readPercent: 70,
      sizes: [
        { bytes: 4096, weight: 70 },
        { bytes: 131_072, weight: 30 },
      ],
      queueDepth: 1023,
      qpairs: 8,
      durationNs: 120_000_000_000,
      warmUpNs: 0,
      operationsMax: 1000,
      rateIops: 5000,
      verify: true,
      regionBytes: 1n << 30n,
      offsetBytes: 65_536n,
      reconnectNs: 250_000_000,
      cores: [1, 3],
      poll: 'interrupt',
      seed: 0n,
      target: {
        headerDigest: true,
        dataDigest: true,
        hostnqn: 'nqn.2026-11.com.example:host',
      },
    },
  );
  t.end();
});

t.test('--rw says the order of the places and the share of reads', (t) => {
  const expected = {
    read: ['sequential', 100],
    write: ['sequential', 0],
    rw: ['sequential', 50],
    randread: ['random', 100],
    randwrite: ['random', 0],
    randrw: ['random', 50],
  } as const;
  for (const [rw, [pattern, readPercent]] of Object.entries(expected)) {
    t.match(options({ rw }), { pattern, readPercent }, rw);
  }
  t.end();
});

t.test('a wrong value is named with its option and what was expected', (t) => {
  const sizes17 = Array.from({ length: 17 }, () => '4KiB').join(',');
  const mistakes: readonly (readonly [Partial<PerfWords>, string, RegExp])[] = [
    [{ rw: 'trim' }, '--rw', /expected read, write, rw, randread, randwrite, randrw, got "trim"$/],
    [{ rw: 'toString' }, '--rw', /expected read, .*got "toString"$/],
    [{ rw: 'rw', readPercent: '101' }, '--read-percent', /a whole number from 0 to 100, got "101"/],
    [{ bs: '4k' }, '--bs', /expected a size .*got "4k" \(write "4KiB"/],
    [{ bs: '0' }, '--bs', /expected a multiple of 512 up to 64MiB, got "0"/],
    [{ bs: '513' }, '--bs', /expected a multiple of 512 up to 64MiB, got "513"/],
    [{ bs: '65MiB' }, '--bs', /expected a multiple of 512 up to 64MiB, got "65MiB"/],
    [{ bs: '4KiB,' }, '--bs', /expected a size .*got ""/],
    [{ bs: '4KiB:0' }, '--bs', /a whole number from 1 to 1000000, got "0"/],
    [{ bs: '4KiB:1:2' }, '--bs', /expected SIZE or SIZE:WEIGHT, got "4KiB:1:2"/],
    [{ bs: sizes17 }, '--bs', /expected at most 16 sizes/],
    [{ qd: '0' }, '--qd', /a whole number from 1 to 1023, got "0"/],
    [{ qd: '1024' }, '--qd', /a whole number from 1 to 1023, got "1024"/],
    [{ qd: '1.5' }, '--qd', /a whole number .*got "1\.5"/],
    [{ qpairs: '1025' }, '--qpairs', /a whole number from 1 to 1024, got "1025"/],
    [{ time: '10' }, '--time', /expected a time with its unit .*got "10" \(the unit is missing/],
    [{ warmUp: 'soon' }, '--warm-up', /expected a time .*got "soon"/],
    [{ reconnect: '-1s' }, '--reconnect', /expected a time .*got "-1s"/],
    [{ count: '0' }, '--count', /a whole number from 1 .*got "0"/],
    [{ rate: '-5' }, '--rate', /a whole number from 1 to 1000000000, got "-5"/],
    [{ region: '1g' }, '--region', /expected a size .*got "1g" \(write "1GiB"/],
    [{ offset: '-512' }, '--offset', /expected a size .*got "-512"/],
    [{ cores: '1,,2' }, '--cores', /a whole number from 0 to 1023, got ""/],
    [{ poll: 'lazy' }, '--poll', /expected adaptive, busy or interrupt, got "lazy"/],
    [{ seed: '9007199254740992' }, '--seed', /a whole number from 0 .*got "9007199254740992"/],
    [{ allow: 'everything' }, '--allow', /expected data-loss, got "everything"/],
    [{ hostnqn: 'me' }, '--hostnqn', /expected a name that begins with 'nqn\.', got "me"/],
  ];
  for (const [given, field, message] of mistakes) {
    t.throws(() => options(given), { code: 'argument_invalid', field, message });
    t.throws(() => options(given), { message: new RegExp(`^${field}: `) });
  }
  t.end();
});

t.test('options that contradict each other are refused', (t) => {
  const code = 'argument_invalid';
  t.throws(() => options({ readPercent: '70' }), { code, message: /--read-percent goes with/ });
  const verify = /--verify checks what the same run has written: expected --rw with writes, got /;
  for (const rw of ['read', 'randread']) {
    t.throws(() => options({ rw, verify: true }), { code, message: verify }, rw);
  }
  t.throws(() => options({ rw: 'rw', readPercent: '100', verify: true }), {
    code,
    message: /got rw with --read-percent 100$/,
  });
  t.ok(options({ rw: 'rw', readPercent: '99', verify: true }).verify);
  t.end();
});

t.test('what is said of a connection goes with one', (t) => {
  const given: Partial<PerfWords>[] = [
    { headerDigest: true },
    { dataDigest: true },
    { reconnect: '1s' },
    { hostnqn: 'nqn.2026-11.com.example:host' },
  ];
  const fields = ['--header-digest', '--data-digest', '--reconnect', '--hostnqn'];
  given.forEach((words, index) => {
    const field = fields[index] ?? '';
    const message = `${field} goes with tcp:// only`;
    t.throws(() => options(words, drive), { code: 'argument_invalid', field, message });
  });
  t.same(options({}, drive).target, drive);
  t.end();
});

t.test('writes to what is kept need a word', (t) => {
  const refused = {
    code: 'argument_invalid',
    field: '--allow',
    message:
      /^--allow: expected data-loss, because --rw randrw destroys what is on the disk of TARGET$/,
  };
  const write = (text: string, words: Partial<PerfWords> = {}) =>
    options({ rw: 'randrw', ...words }, parsePerfTarget(text));
  for (const text of ['pcie://0000:01:00.0', 'bdev:uring?path=/dev/sdb']) {
    t.throws(() => write(text), refused);
    t.equal(write(text, { allow: 'data-loss' }).readPercent, 50);
    t.equal(write(text, { rw: 'randread' }).readPercent, 100, 'reads need none');
    t.equal(write(text, { readPercent: '100' }).readPercent, 100);
  }
  t.equal(write('bdev:malloc?size=1MiB').readPercent, 50);
  t.equal(options({ rw: 'write' }).readPercent, 0, 'nor does a remote target');
  t.end();
});
