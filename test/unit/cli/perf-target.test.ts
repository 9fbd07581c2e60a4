import t from 'tap';
import { parsePerfTarget } from '../../../src/cli/perf-target.js';

const nqn = 'nqn.2026-11.com.example:disk0';

t.test('an IPv4 target has namespace 1 unless it says which', (t) => {
  t.same(parsePerfTarget(`tcp://192.0.2.7:4420/${nqn}`), {
    type: 'tcp',
    address: '192.0.2.7',
    port: 4420,
    subnqn: nqn,
    nsid: 1,
  });
  t.match(parsePerfTarget(`tcp://192.0.2.7:4420/${nqn}?nsid=4294967294`), { nsid: 4_294_967_294 });
  t.end();
});

t.test('an IPv6 address stands in brackets and may have a scope', (t) => {
  t.match(parsePerfTarget(`tcp://[::1]:1/${nqn}`), { address: '::1' });
  t.match(parsePerfTarget(`tcp://[fe80::1%eth0]:65535/${nqn}`), { address: 'fe80::1%eth0' });
  t.end();
});

t.test('an NQN may hold colons and slashes', (t) => {
  const long = 'nqn.2014-08.org.nvmexpress:uuid:0/1:2';
  t.match(parsePerfTarget(`tcp://127.0.0.1:4420/${long}?nsid=2`), { subnqn: long });
  t.end();
});

t.test('a drive is named by its PCI address', (t) => {
  t.same(parsePerfTarget('pcie://0000:01:00.0'), {
    type: 'pcie',
    address: '0000:01:00.0',
    nsid: 1,
  });
  t.match(parsePerfTarget('pcie://abcd:e1:1f.7?nsid=3'), { address: 'abcd:e1:1f.7', nsid: 3 });
  t.end();
});

t.test('a bdev is what a configuration would make of it', (t) => {
  t.match(parsePerfTarget('bdev:malloc?size=1MiB'), {
    type: 'bdev',
    bdevs: [{ kind: 'malloc', size: 1n << 20n, block_size: 512 }],
  });
  t.end();
});

t.test('each mistake is named with what was expected and what was given', (t) => {
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ['', /expected tcp:\S+, pcie:\S+ or bdev:KIND\?key=value&…, got ""$/],
    [`rdma://127.0.0.1:4420/${nqn}`, /expected tcp:.*pcie:.*bdev:.*got "rdma:/],
    ['tcp:', /expected tcp:\/\/ADDRESS:PORT\/NQN\[\?nsid=N\], got "tcp:"$/],
    [`tcp://127.0.0.1/${nqn}`, /expected tcp:/],
    ['tcp://127.0.0.1:4420', /expected tcp:/],
    ['tcp://127.0.0.1:4420/', /expected tcp:/],
    [`tcp://127.0.0.1:4420/${nqn}?ns=1`, /expected tcp:/],
    [`tcp://::1:4420/${nqn}`, /expected tcp:/],
    [`tcp://localhost:4420/${nqn}`, /expected an IPv4 address or an IPv6 .*got "localhost"$/],
    [`tcp://[127.0.0.1]:4420/${nqn}`, /expected an IPv4 address or .*got "\[127\.0\.0\.1\]"$/],
    [`tcp://127.0.0.1%lo:4420/${nqn}`, /expected an IPv4 address or .*got "127\.0\.0\.1%lo"$/],
    [`tcp://127.0.0.1:0/${nqn}`, /expected a port from 1 to 65535, got 0$/],
    [`tcp://127.0.0.1:65536/${nqn}`, /expected a port from 1 to 65535, got 65536$/],
    ['tcp://127.0.0.1:4420/disk0', /expected a name that begins with 'nqn\.'.*got "disk0"$/],
    [`tcp://127.0.0.1:4420/nqn.${'x'.repeat(300)}`, /expected at most 223 bytes as the NQN/],
    [`tcp://127.0.0.1:4420/${nqn}?nsid=0`, /expected a namespace ID from 1 .*got "0"$/],
    [`tcp://127.0.0.1:4420/${nqn}?nsid=`, /expected a namespace ID from 1 .*got ""$/],
    [`tcp://127.0.0.1:4420/${nqn}?nsid=1e3`, /expected a namespace ID from 1 .*got "1e3"$/],
    [`tcp://127.0.0.1:4420/${nqn}?nsid=4294967295`, /from 1 to 4294967294.*got "4294967295"$/],
    ['pcie:0000:01:00.0', /expected pcie:\/\/0000:01:00\.0\[\?nsid=N\], got "pcie:0000:01:00\.0"$/],
    ['pcie://', /expected pcie:/],
    ['pcie://0000:01:00.0?ns=1', /expected pcie:/],
    ['pcie://01:00.0', /expected a PCI address .*got "01:00\.0"; with its domain: 0000:01:00\.0$/],
    ['pcie://nvme0', /expected a PCI address such as 0000:01:00\.0, got "nvme0"$/],
    ['pcie://0000:01:00.0?nsid=0', /expected a namespace ID from 1 .*got "0"$/],
  ];
  for (const [text, message] of mistakes) {
    t.throws(() => parsePerfTarget(text), { code: 'argument_invalid', field: 'TARGET', message });
    t.throws(() => parsePerfTarget(text), { message: /^TARGET: / }, text);
  }
  t.end();
});
