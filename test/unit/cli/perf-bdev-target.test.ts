import { join } from 'node:path';
import t from 'tap';
import { keepsWrites, parseBdevTarget } from '../../../src/cli/perf-bdev-target.js';

/** Without their names. */
function bdevs(text: string): object[] {
  return parseBdevTarget(text).bdevs.map(({ name: _name, ...bdev }) => bdev);
}

t.test('keys and values are those of a configuration, with its defaults', (t) => {
  t.strictSame(bdevs('malloc?size=64MiB'), [{ kind: 'malloc', size: 64n << 20n, block_size: 512 }]);
  t.match(bdevs('null?size=1TiB&block_size=4KiB'), [
    { kind: 'null', size: 1n << 40n, block_size: 4096 },
  ]);
  t.match(bdevs('nvme?address=0000:01:00.0&nsid=2&timeout=5s'), [
    { kind: 'nvme', address: '0000:01:00.0', nsid: 2, timeout: 5_000_000_000 },
  ]);
  t.end();
});

t.test('a host that is not written is one of this run alone', (t) => {
  const text = 'nvmf?subnqn=nqn.2026-11.com.example:a&paths=[{address: 192.0.2.1}]';
  const hosts = [text, text, `${text}&hostnqn=nqn.2026-11.com.example:me`].map(
    (one) => bdevs(one)[0],
  );
  const uuid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  t.match(hosts, [
    ...[0, 1].map(() => ({
      hostnqn: new RegExp(`^nqn.2014-08.org.nvmexpress:uuid:${uuid}$`),
      hostid: new RegExp(`^${uuid}$`),
    })),
    { hostnqn: 'nqn.2026-11.com.example:me', hostid: new RegExp(`^${uuid}$`) },
  ]);
  t.equal(new Set(hosts.map((one) => (one as { hostid?: string }).hostid)).size, 3);
  t.end();
});

t.test('a value may be a map or a list', (t) => {
  t.match(bdevs('null?size=1GiB&qos={iops: 1000, burst: 1s}'), [
    { qos: { iops: 1000, burst: 1_000_000_000 } },
  ]);
  t.match(bdevs('error?faults=[{op: read, blocks: [0, 9]}]&base=null?size=1GiB'), [
    { kind: 'null' },
    { kind: 'error', faults: [{ op: 'read', blocks: [0, 9], action: 'status' }] },
  ]);
  t.end();
});

t.test('a path is that of a file here, with whatever characters', (t) => {
  t.match(bdevs('uring?path=disk0.img'), [{ path: join(process.cwd(), 'disk0.img') }]);
  t.match(bdevs('uring?path=/a%26b%3d%25%20c'), [{ path: '/a&b=% c' }]);
  t.match(bdevs("uring?path='/a #b'"), [{ path: '/a #b' }]);
  t.match(bdevs('uring?path=/a=b'), [{ path: '/a=b' }]);
  t.end();
});

t.test('what a bdev stands on comes last, and is opened first', (t) => {
  const stack = parseBdevTarget(
    'split?offset=1MiB&base=delay?read=1ms&base=malloc?size=4MiB&block_size=4096',
  );
  t.match(stack.bdevs, [
    { kind: 'malloc', size: 4n << 20n, block_size: 4096 },
    { kind: 'delay', read: 1_000_000 },
    { kind: 'split', offset: 1n << 20n },
  ]);
  const [lowest, middle, top] = stack.bdevs;
  t.equal(middle?.['base'], lowest?.name);
  t.equal(top?.['base'], middle?.name);
  t.equal(new Set(stack.bdevs.map(({ name }) => name)).size, 3);
  t.end();
});

t.test('each mistake is named with its key, what was expected and what was given', (t) => {
  const deep = 'split?base='.repeat(8);
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ['', /^kind: expected one of .*malloc.*, got ""/],
    ['ram?size=1MiB', /^kind: expected one of .*got "ram"; did you mean "malloc"\?$/],
    ['malloc', /^size: expected a size .*but "size" is missing$/],
    ['malloc?', /^size: expected a size .*but "size" is missing$/],
    ['malloc?size=', /^size: expected a size .*got nothing$/],
    ['malloc?size=64mb', /^size: expected a size .*got "64mb"; write "64MB"$/],
    ['malloc?size=1KiB', /^size: expected .*4KiB.*, got "1KiB"$/],
    ['malloc?size=10000', /^size: expected a multiple of block_size \(512\), got 10000$/],
    ['malloc?size=0x100000', /^size: expected a size /],
    ['malloc?sise=1MiB', /^sise: .*got the unknown key "sise"; did you mean "size"\?$/],
    ['malloc?size=1MiB&size=2MiB', /^size: expected each key once, got "size" again$/],
    ['malloc?size', /^expected key=value, got "size"$/],
    ['malloc?=1MiB', /^expected key=value, got "=1MiB"$/],
    ['malloc?size: 1MiB=', /^expected key=value, got "size: 1MiB="$/],
    ['malloc?name=a&size=1MiB', /^name: expected a key of "malloc" other than name and kind$/],
    ['malloc?size=1MiB&base=null?size=1MiB', /^base: .*got the unknown key "base"/],
    [
      'null?size=1GiB&qos={iops: 0}',
      /^qos\.iops: expected an integer from 1 to 1000000000, got 0$/,
    ],
    ['null?size=1GiB&qos={iops: 1', /^qos: YAML: /],
    ['null?size=1GiB&qos=iops: 1', /^qos: expected a value, or \{…\} or \[…\], got "iops: 1"; put/],
    ['uring?path=/a #b', /^path: expected a value, .*got "\/a #b"; put it in quotes$/],
    ['uring?path=|', /^path: expected a value, .*got "\|"/],
    ['uring?path=/a%', /^path: expected two hexadecimal digits behind each %, got "\/a%"$/],
    ['uring?path=/%ff', /^path: expected UTF-8, got "\/%ff"$/],
    ['uring?path=/a%0asize: 1MiB', /^path: expected no control characters$/],
    ['uring?path=/a&create=true', /^size: expected a size, because "create" is true/],
    [
      'nvme?address=01:00.0',
      /^address: expected a PCI address .*; with its domain: 0000:01:00\.0$/,
    ],
    ['delay?read=1ms', /^base: expected base=KIND\?key=value&… as the last key of "delay"/],
    ['delay?base=', /^base\.kind: expected one of /],
    ['delay?base=malloc?size=1', /^base\.size: expected /],
    ['split?base=delay?base=null?sise=1', /^base\.base\.sise: /],
    ['split?base=delay?read=1ms', /^base\.base: expected base=KIND/],
    [`${deep}null?size=1GiB`, /: expected at most 8 bdevs on top of each other, got one more$/],
  ];
  for (const [text, message] of mistakes) {
    let thrown: unknown;
    try {
      parseBdevTarget(text);
    } catch (error) {
      thrown = error;
    }
    t.match(thrown, { code: 'argument_invalid', field: 'TARGET' }, text);
    const said = (thrown as Error).message;
    t.ok(said.startsWith('TARGET: '), said);
    t.match(said.slice('TARGET: '.length), message, text);
  }
  t.end();
});

t.test('what is in memory, or nowhere, keeps nothing; all else does', (t) => {
  const keeps = (text: string) => keepsWrites(parseBdevTarget(text));
  t.notOk(keeps('malloc?size=1MiB'));
  t.notOk(keeps('null?size=1MiB'));
  t.notOk(keeps('delay?write=1ms&base=malloc?size=1MiB'));
  t.ok(keeps('uring?path=/dev/sdb'));
  t.ok(keeps('nvme?address=0000:01:00.0'));
  t.ok(keeps('delay?write=1ms&base=uring?path=/dev/sdb'));
  t.end();
});
