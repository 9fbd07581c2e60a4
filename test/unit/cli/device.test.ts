import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import {
  type DeviceMachine,
  bindDevices,
  listDevices,
  showDevice,
  unbindDevices,
} from '../../../src/cli/device.js';
import { main } from '../../../src/cli/program.js';
import type { Terminal } from '../../../src/cli/terminal.js';
import { FormerDrivers } from '../../../src/device/former-drivers.js';
import { ADDRESS, MadeMachine, machineWithDrive } from '../device/made-machine.js';

const SECOND = '0000:02:00.0';
const mainScript = fileURLToPath(new URL('../../../src/main.js', import.meta.url));

interface Screen extends Terminal {
  readonly outText: () => string;
  readonly errorText: () => string;
}

function screen(): Screen {
  let out = '';
  let error = '';
  return {
    out: (text) => (out += text),
    error: (text) => (error += text),
    isTTY: false,
    color: false,
    outText: () => out,
    errorText: () => error,
  };
}

function machineOf(files: MadeMachine): DeviceMachine {
  return { files, former: new FormerDrivers(files, '/run/capsuled') };
}

/** A drive that is mounted, and one that was given away. */
function twoDrives(folder: string): MadeMachine {
  const files = machineWithDrive(folder);
  files.put('/proc/self/mountinfo', '36 35 259:1 / /boot rw - ext4 /dev/nvme0n1p1 rw\n');
  files.put('/proc/swaps', 'Filename\n/dev/nvme0n1 partition 1 0 -2\n');
  files.addDevice({ address: SECOND, driver: 'vfio-pci', override: 'vfio-pci', group: null });
  return files;
}

t.test('the list has a line for each device', async (t) => {
  const terminal = screen();
  t.equal(await listDevices({}, terminal, machineOf(twoDrives(t.testdir()))), 0);
  t.equal(
    terminal.outText(),
    [
      'ADDRESS       MODEL            SIZE      NAMESPACES  DRIVER    IOMMU GROUP  IN USE BY\n',
      '0000:01:00.0  Example SSD 1TB  1.00 MiB  nvme0n1     nvme      7            nvme0n1 is swapped on, and 1 more\n',
      '0000:02:00.0  144d:a808        -         -           vfio-pci  -            -\n',
    ].join(''),
  );
  t.equal(terminal.errorText(), '');
});

t.test('the list for machines is what GET /v1/devices has', async (t) => {
  const terminal = screen();
  t.equal(await listDevices({ json: true }, terminal, machineOf(twoDrives(t.testdir()))), 0);
  t.match(JSON.parse(terminal.outText()), [
    { address: ADDRESS, driver: 'nvme', in_use_by: [{ kind: 'swap' }, { kind: 'mount' }] },
    { address: SECOND, driver: 'vfio-pci', iommu_group: null },
  ]);
});

t.test('where there are no NVMe devices, it is said how they were looked for', async (t) => {
  const files = new MadeMachine(t.testdir());
  files.addDevice({ address: '0000:00:02.0', classCode: '010000', driver: 'virtio-pci' });
  const terminal = screen();
  t.equal(await listDevices({}, terminal, machineOf(files)), 0);
  t.equal(
    terminal.outText(),
    'no NVMe devices: none of the 1 PCI devices in /sys/bus/pci/devices has the class 0108h\n',
  );
  files.take('/sys/bus/pci');
  const other = screen();
  t.equal(await listDevices({}, other, machineOf(files)), 0);
  t.equal(other.outText(), 'no NVMe devices: this machine shows no PCI devices (/sys/bus/pci)\n');
  const json = screen();
  t.equal(await listDevices({ json: true }, json, machineOf(files)), 0);
  t.strictSame(JSON.parse(json.outText()), []);
});

t.test('status says everything of one device', async (t) => {
  const files = twoDrives(t.testdir());
  files.addDevice({ address: '0000:01:00.1', classCode: '020000', driver: 'ixgbe' });
  const terminal = screen();
  t.equal(await showDevice('01:00.0', {}, terminal, machineOf(files)), 0);
  t.equal(
    terminal.outText(),
    [
      'address:            0000:01:00.0',
      'vendor and device:  144d:a808',
      'model:              Example SSD 1TB',
      'serial:             S1',
      'firmware:           1.0',
      'driver:             nvme',
      'controller:         nvme0, live',
      'namespace:          nvme0n1, NSID 1, 1.00 MiB in blocks of 512 bytes',
      'IOMMU group:        7',
      'in the group:       0000:01:00.1, class 020000, driver ixgbe',
      'NUMA node:          none',
      'in use by:          nvme0n1 is swapped on',
      'in use by:          nvme0n1p1 is mounted at /boot',
      '',
    ].join('\n'),
  );
  const json = screen();
  t.equal(await showDevice(SECOND, { json: true }, json, machineOf(files)), 0);
  t.match(JSON.parse(json.outText()), { address: SECOND, driver_override: 'vfio-pci' });
  const given = screen();
  t.equal(await showDevice(SECOND, {}, given, machineOf(files)), 0);
  t.match(given.outText(), /^driver override: +vfio-pci$/m);
  t.match(given.outText(), /^model: +not known$/m);
  t.match(given.outText(), /^IOMMU group: +none: it is behind no IOMMU$/m);
});

t.test('what a drive says of itself cannot move the cursor', async (t) => {
  const files = machineWithDrive(t.testdir());
  files.put(`/sys/bus/pci/devices/${ADDRESS}/nvme/nvme0/model`, 'a\u001b[2Jb\n');
  for (const command of [
    (terminal: Terminal) => listDevices({}, terminal, machineOf(files)),
    (terminal: Terminal) => listDevices({ json: true }, terminal, machineOf(files)),
    (terminal: Terminal) => showDevice(ADDRESS, {}, terminal, machineOf(files)),
  ]) {
    const terminal = screen();
    await command(terminal);
    t.notMatch(terminal.outText(), '\u001b');
    t.match(terminal.outText(), /1b/);
  }
});

t.test('bind and unbind say what they did, once and again', async (t) => {
  const files = machineWithDrive(t.testdir());
  const machine = machineOf(files);
  for (const [command, said, driver] of [
    [bindDevices, 'given to vfio-pci, was with nvme', 'vfio-pci'],
    [bindDevices, 'has the driver vfio-pci already', 'vfio-pci'],
    [unbindDevices, 'given back to nvme', 'nvme'],
    [unbindDevices, 'is not with vfio-pci, but with nvme', 'nvme'],
  ] as const) {
    const terminal = screen();
    t.equal(await command(['01:00.0', ADDRESS], {}, terminal, machine), 0);
    t.equal(terminal.outText(), `${ADDRESS}: ${said}\n`);
    t.equal(terminal.errorText(), '');
    t.equal(files.driverOf(ADDRESS), driver);
  }
});

t.test('a dry run says what would be written, and writes nothing', async (t) => {
  const files = machineWithDrive(t.testdir());
  const machine = machineOf(files);
  const terminal = screen();
  t.equal(await bindDevices([ADDRESS], { dryRun: true }, terminal, machine), 0);
  t.equal(
    terminal.outText(),
    [
      `would: echo vfio-pci > /sys/bus/pci/devices/${ADDRESS}/driver_override\n`,
      `would: echo ${ADDRESS} > /sys/bus/pci/drivers/nvme/unbind\n`,
      `would: echo ${ADDRESS} > /sys/bus/pci/drivers_probe\n`,
    ].join(''),
  );
  t.strictSame(files.written, []);
  t.equal(files.claimed.size, 0);
  await bindDevices([ADDRESS], {}, screen(), machine);
  files.written.splice(0);
  const back = screen();
  t.equal(await unbindDevices([ADDRESS], { dryRun: true }, back, machine), 0);
  t.match(back.outText(), `would: echo > /sys/bus/pci/devices/${ADDRESS}/driver_override\n`);
  t.strictSame(files.written, []);
});

t.test('one that is refused keeps the others from being touched', async (t) => {
  const files = machineWithDrive(t.testdir());
  files.addDevice({ address: SECOND, group: 8 });
  files.addController(SECOND, 'nvme1', ['nvme1n1']);
  files.addBlock('nvme1n1', { number: '259:5' });
  files.put('/proc/swaps', 'Filename\n/dev/nvme1n1 partition 1 0 -2\n');
  const terminal = screen();
  await t.rejects(bindDevices([ADDRESS, SECOND], {}, terminal, machineOf(files)), {
    code: 'in_use',
    message: `${SECOND} is in use: nvme1n1 is swapped on`,
  });
  t.strictSame(files.written, []);
  t.equal(files.claimed.size, 0);
  files.put('/proc/swaps', 'Filename\n');
  t.equal(await bindDevices([ADDRESS, SECOND], {}, terminal, machineOf(files)), 0);
  t.strictSame([files.driverOf(ADDRESS), files.driverOf(SECOND)], ['vfio-pci', 'vfio-pci']);
});

t.test('two controllers of one drive are given away together', async (t) => {
  const files = machineWithDrive(t.testdir());
  files.addDevice({ address: SECOND, group: 8 });
  files.addController(SECOND, 'nvme1', ['nvme0c1n1']);
  files.addSubsystem('nvme-subsys0', { nvme0: ADDRESS, nvme1: SECOND });
  const claimed: string[][] = [];
  files.onUnbind = () => {
    claimed.push([...files.claimed]);
    files.take('/sys/class/nvme-subsystem');
  };
  t.equal(await bindDevices([ADDRESS, SECOND], {}, screen(), machineOf(files)), 0);
  t.strictSame([files.driverOf(ADDRESS), files.driverOf(SECOND)], ['vfio-pci', 'vfio-pci']);
  t.strictSame(claimed, [['/dev/nvme0n1'], ['/dev/nvme0n1']], 'nobody gets it between');
  t.equal(files.claimed.size, 0);
});

t.test('who opens a drive while another is given away keeps it', async (t) => {
  const files = machineWithDrive(t.testdir());
  files.addDevice({ address: SECOND, group: 8 });
  files.addController(SECOND, 'nvme1', ['nvme1n1']);
  files.addBlock('nvme1n1', { number: '259:5' });
  files.onUnbind = () => {
    files.addProcess(9, 'db', '/dev/nvme1n1', 'b259:5');
  };
  await t.rejects(bindDevices([ADDRESS, SECOND], {}, screen(), machineOf(files)), {
    code: 'in_use',
    message: `${SECOND} is in use: nvme1n1 is open in process 9 (db)`,
  });
  t.strictSame([files.driverOf(ADDRESS), files.driverOf(SECOND)], ['vfio-pci', 'nvme']);
  t.equal(files.claimed.size, 0);
});

t.test('who begins to drive one while another is given back keeps it', async (t) => {
  const files = machineWithDrive(t.testdir());
  files.addDevice({ address: SECOND, group: 8 });
  const machine = machineOf(files);
  await bindDevices([ADDRESS, SECOND], {}, screen(), machine);
  files.onUnbind = () => {
    files.addProcess(9, 'vmm', '/dev/vfio/8');
  };
  await t.rejects(unbindDevices([ADDRESS, SECOND], {}, screen(), machine), {
    code: 'in_use',
    message: `${SECOND} is in use: /dev/vfio/8 is open in process 9 (vmm)`,
  });
  t.strictSame([files.driverOf(ADDRESS), files.driverOf(SECOND)], ['nvme', 'vfio-pci']);
});

t.test('who may not is shown the rules that let him', async (t) => {
  const files = machineWithDrive(t.testdir());
  files.refused.set('/sys/bus/pci/drivers/nvme/unbind', 'EACCES');
  const terminal = screen();
  await t.rejects(bindDevices([ADDRESS], {}, terminal, machineOf(files)), {
    code: 'forbidden',
    message:
      /^0000:01:00.0: \/sys\/bus\/pci\/drivers\/nvme\/unbind may not be written by this user/,
  });
  t.match(terminal.errorText(), /^# \/etc\/udev\/rules.d\/70-capsuled.rules .*:$/m);
  t.match(terminal.errorText(), /^SUBSYSTEM=="vfio", GROUP="capsuled", MODE="0660"$/m);
});

t.test('who sees but some processes is warned', async (t) => {
  const files = machineWithDrive(t.testdir());
  // A link of /proc that leads nowhere that may be seen: a folder of another user's.
  files.put('/proc/12/comm', 'other\n');
  const names = files.names.bind(files);
  files.names = async (path) => {
    if (path !== '/proc/12/fd') return names(path);
    const { TargetError } = await import('../../../src/errors.js');
    throw new TargetError('forbidden', 'no');
  };
  for (const command of [
    (terminal: Terminal) => listDevices({}, terminal, machineOf(files)),
    (terminal: Terminal) => showDevice(ADDRESS, {}, terminal, machineOf(files)),
    (terminal: Terminal) => bindDevices([ADDRESS], { dryRun: true }, terminal, machineOf(files)),
  ]) {
    const terminal = screen();
    t.equal(await command(terminal), 0);
    t.match(terminal.errorText(), /^warning: not all processes could be looked at/);
    const isRoot = process.geteuid?.() === 0;
    t.match(
      terminal.errorText(),
      isRoot ? /; even root does not see all in a container, / : /; root, outside of /,
    );
  }
});

t.test('wrong words are wrong usage', async (t) => {
  for (const argv of [
    ['device', 'status', 'nvme0'],
    ['device', 'bind', '0000:01:00'],
    ['device', 'unbind', ADDRESS, ''],
    ['device', 'bind'],
    ['device', 'status'],
    ['device', 'list', 'x'],
    ['device', 'show'],
    ['device'],
  ]) {
    const terminal = screen();
    t.equal(await main(argv, terminal), 2, argv.join(' '));
    t.not(terminal.errorText(), '');
  }
  const terminal = screen();
  await main(['device', 'status', 'nvme0'], terminal);
  t.match(terminal.errorText(), /expected a PCI address such as .* for `ADDRESS`, got 'nvme0'\n$/);
});

t.test('this machine is looked at as it is', async (t) => {
  const terminal = screen();
  t.equal(await main(['device', 'list'], terminal), 0, terminal.errorText());
  t.match(terminal.outText(), /^(no NVMe devices: |ADDRESS )/);
  const other = screen();
  t.equal(await main(['device', 'status', 'ffff:ff:1f.7'], other), 1);
  t.match(other.errorText(), /there is no PCI device ffff:ff:1f.7|shows no PCI devices/);
});

/** Why it cannot be made here; false if it can. As tap's `skip` has it. */
const noNamespaces: string | false =
  spawnSync('unshare', ['--mount', 'true']).status === 0 ? false : 'mount namespaces need root';

t.test('without sysfs, as in a container, that is said', { skip: noNamespaces }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'capsuled-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const command = 'mount -t tmpfs none /sys && exec "$@"';
  for (const words of [
    ['list'],
    ['list', '--json'],
    ['status', ADDRESS],
    ['bind', ADDRESS],
    ['unbind', ADDRESS],
  ]) {
    const program = [process.execPath, mainScript, 'device', ...words];
    const { status, stderr } = spawnSync(
      'unshare',
      ['--mount', 'sh', '-c', command, 'sh', ...program],
      { encoding: 'utf8', cwd: folder },
    );
    t.equal(status, 1, words.join(' '));
    t.equal(
      stderr,
      'capsuled: error: sysfs is not mounted at /sys, so no device can be seen; `mount -t sysfs ' +
        'sysfs /sys` mounts it, and a container needs that of its host\n',
    );
  }
  t.end();
});
