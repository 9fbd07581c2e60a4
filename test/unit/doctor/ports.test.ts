import { createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { MachineFiles } from '../../../src/device/machine-files.js';
import type { Finding } from '../../../src/doctor/finding.js';
import { collide, listeningSockets, ownerOf } from '../../../src/doctor/listening-sockets.js';
import { portFindings } from '../../../src/doctor/ports.js';
import { patient } from './patient.js';

/** One listener of the configuration, without the defaults. */
function listener(address: string, port: number): string {
  return [
    `admin: { listen: "127.0.0.1:9999" }`,
    'discovery: { listeners: [] }',
    'subsystems:',
    ...['a', 'b'].map(
      (name) =>
        `  - { nqn: "nqn.2026-11.x.y:${name}", listeners: [{ address: "${address}", port: ${port} }] }`,
    ),
    '',
  ].join('\n');
}

async function found(
  folder: string,
  address: string,
  port: number,
  arrange: (files: ReturnType<typeof patient>['files']) => void = () => undefined,
): Promise<Finding | undefined> {
  const from = patient(folder, {}, listener(address, port));
  arrange(from.files);
  const findings = await portFindings(from);
  t.equal(findings.length, 2, 'each address and port once');
  return findings[1];
}

const HEAD = 'sl local_address rem_address st tx_queue rx_queue tr uid timeout inode\n';
const line = (local: string, state: string, inode: number) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0\n`;

t.test('a port that nobody has is free', async (t) => {
  t.match(await found(t.testdir(), '192.0.2.7', 4420), {
    ...{ name: 'port 192.0.2.7:4420', verdict: 'ok', reason: 'free', fix: null },
  });
  t.match(await found(t.testdir(), '::', 0), { verdict: 'ok', reason: 'any free port is taken' });
  // Of a connection, which is no listener.
  const connected = await found(t.testdir(), '192.0.2.7', 4420, (files) => {
    files.put('/proc/net/tcp', HEAD + line('070200C0:1144', '01', 77));
  });
  t.match(connected, { reason: 'free' });
});

t.test('who has a port is named', async (t) => {
  const taken = (command: string, inode: number) =>
    found(t.testdir(), '192.0.2.7', 4420, (files) => {
      files.put('/proc/net/tcp', HEAD + line('00000000:1144', '0A', 77));
      files.addProcess(31, command, `socket:[${inode}]`);
      files.put('/proc/31/cmdline', 'node\0/usr/bin/capsuled\0serve\0');
    });
  t.match(await taken('nginx', 77), {
    verdict: 'missing',
    reason: 'process 31 (nginx) listens at 0.0.0.0:4420',
    fix: 'end that, or take another port',
  });
  t.match(await taken('nginx', 78), {
    verdict: 'missing',
    reason: /^something listens there already/,
    fix: 'ss -ltnp',
  });
  t.match(await taken('node', 77), {
    verdict: 'ok',
    reason: 'capsuled serve listens there (process 31)',
  });
});

t.test('an address that this machine does not have is missing', async (t) => {
  const missing = { verdict: 'missing', reason: /^this machine does not have the address/ };
  for (const address of ['192.0.2.8', '2001:db8::1', 'fe80::7%eth1']) {
    t.match(await found(t.testdir(), address, 4420), missing, address);
  }
  for (const address of ['127.0.0.9', '0.0.0.0', '::', '::1', 'fe80::7%eth0']) {
    t.match(await found(t.testdir(), address, 4420), { verdict: 'ok' }, address);
  }
  const late = await found(t.testdir(), '192.0.2.8', 4420, (files) => {
    files.put('/proc/sys/net/ipv4/ip_nonlocal_bind', '1\n');
  });
  t.match(late, { verdict: 'ok' });
  const off = await found(t.testdir(), '::1', 4420, (files) => {
    files.take('/proc/net/tcp6');
  });
  t.match(off, { verdict: 'missing', reason: 'this machine has IPv6 switched off' });
});

t.test('low ports are for who may take them', async (t) => {
  t.match(await found(t.testdir(), '192.0.2.7', 420), {
    verdict: 'missing',
    reason: /^this user may not take port 420; /,
    fix: 'sysctl -w net.ipv4.ip_unprivileged_port_start=420',
  });
  for (const [path, text] of [
    ['/proc/sys/net/ipv4/ip_unprivileged_port_start', '420\n'],
    ['/proc/self/status', 'CapEff:\t0000000000000400\n'],
  ] as const) {
    const may = await found(t.testdir(), '192.0.2.7', 420, (files) => {
      files.put(path, text);
    });
    t.match(may, { verdict: 'ok' });
  }
});

t.test('addresses collide with themselves and with those that are all', async (t) => {
  for (const [left, right, does] of [
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['0.0.0.0', '127.0.0.2', true],
    ['127.0.0.2', '0.0.0.0', true],
    ['::', '127.0.0.2', true],
    ['::', '::1', true],
    ['0.0.0.0', '::1', false],
    ['0:0:0:0:0:0:0:1', '::1', true],
    ['fe80::1%eth0', 'fe80::1', true],
  ] as const) {
    const collides = collide({ address: left, port: 1 }, { address: right, port: 1 });
    t.equal(collides, does, `${left} ${right}`);
    t.notOk(collide({ address: left, port: 1 }, { address: right, port: 2 }));
  }
});

t.test('tables of the kernel are read, and ours is found in them', async (t) => {
  for (const [host, address] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['::', '::'],
  ] as const) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const { port } = server.address() as AddressInfo;
    const files = new MachineFiles();
    const socket = (await listeningSockets(files)).find((one) => one.port === port);
    t.match(socket, { address, port, inode: /^[1-9]\d+$/ });
    t.equal(await ownerOf(files, socket!), undefined, 'this process looks at others alone');
    await new Promise((resolve) => server.close(resolve));
  }
});
