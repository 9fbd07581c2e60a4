import t from 'tap';
import { parsePciAddress } from '../../../src/device/pci-address.js';
import { findNvme, readFound, readNvme } from '../../../src/device/pci-device.js';
import { ADDRESS, MadeMachine, machineWithDrive } from './made-machine.js';

t.test('an address is taken with and without its domain, in either case', async (t) => {
  for (const [text, address] of [
    ['0000:01:00.0', '0000:01:00.0'],
    ['01:00.0', '0000:01:00.0'],
    ['0000:C1:1f.7', '0000:c1:1f.7'],
    ['10000:01:00.0', '10000:01:00.0'],
  ] as const) {
    t.equal(parsePciAddress(text), address);
  }
  for (const text of [
    '',
    'nvme0',
    '/dev/nvme0n1',
    '01:20.0',
    '01:00.8',
    '000:01:00.0',
    '01:00.0 ',
  ]) {
    t.throws(() => parsePciAddress(text), {
      code: 'argument_invalid',
      field: 'ADDRESS',
      message: `expected a PCI address such as 0000:01:00.0 or 01:00.0, as \`capsuled device list\` shows it, for \`ADDRESS\`, got '${text}'`,
    });
  }
});

t.test('NVMe controllers are found by their class', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addDevice({ address: '0000:00:1f.0', classCode: '060400', driver: null, group: 7 });
  machine.addDevice({ address: '0000:02:00.0', classCode: '010700', driver: 'mpt3sas', group: 8 });
  machine.addDevice({ address: '0000:03:00.0', classCode: '010803', driver: null, group: 9 });
  t.strictSame(await findNvme(machine), { found: [ADDRESS, '0000:03:00.0'], looked: 4 });
  t.match(await readNvme(machine, '0000:03:00.0'), { classCode: 0x010803 }, 'and are read by it');
});

t.test('a device is what sysfs says of it', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.put(`/sys/bus/pci/devices/${ADDRESS}/numa_node`, '1\n');
  machine.put('/sys/class/nvme-generic/ng0n1/dev', '241:0\n');
  t.strictSame(await readNvme(machine, ADDRESS), {
    address: ADDRESS,
    classCode: 0x010802,
    driver: 'nvme',
    vendor: '144d',
    device: 'a808',
    driverOverride: null,
    group: { number: 7, others: [] },
    numaNode: 1,
    virtualFunctions: [],
    controller: {
      ...{ name: 'nvme0', state: 'live', subnqn: 'nqn.2026-11.com.example:drive', siblings: [] },
    },
    names: { model: 'Example SSD 1TB', serial: 'S1', firmware: '1.0' },
    namespaces: [{ name: 'nvme0n1', isHidden: false, nsid: 1, blockSize: 512, size: 1 << 20 }],
    nodes: ['/dev/vfio/7', 'c242:0', 'c241:0'],
  });
});

t.test('of a drive with several paths, the namespace is that of all of them', async (t) => {
  const machine = new MadeMachine(t.testdir());
  machine.addDevice({ address: ADDRESS });
  machine.addController(ADDRESS, 'nvme3', ['nvme0c3n1', 'hwmon2']);
  machine.addBlock('nvme0n1', { number: '259:0' });
  machine.put('/sys/class/block/nvme0n1/nsid', '5\n');
  const { namespaces } = await readNvme(machine, ADDRESS);
  t.match(namespaces, [{ name: 'nvme0n1', nsid: 5 }]);
});

t.test('who lives by a device, and what else reaches its drive, are known', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.point(`/sys/bus/pci/devices/${ADDRESS}/virtfn0`, '../0000:01:00.1');
  machine.addSubsystem('nvme-subsys0', { nvme0: ADDRESS, nvme1: '0000:02:00.0', nvme2: null });
  machine.addSubsystem('nvme-subsys3', { nvme3: '0000:03:00.0' });
  machine.put('/sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/uevent', '');
  machine.put('/sys/class/block/nvme0n1/hidden', '1\n');
  t.match(await readNvme(machine, ADDRESS), {
    virtualFunctions: ['0000:01:00.1'],
    namespaces: [{ name: 'nvme0n1', isHidden: true }],
    controller: {
      siblings: [
        { name: 'nvme1', address: '0000:02:00.0' },
        { name: 'nvme2', address: null },
      ],
    },
  });
});

t.test('a group is shown without its bridges', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addDevice({ address: '0000:00:1c.0', classCode: '060400', driver: 'pcieport' });
  machine.addDevice({ address: '0000:01:00.1', classCode: '020000', driver: 'ixgbe' });
  t.strictSame((await readNvme(machine, ADDRESS)).group, {
    number: 7,
    others: [{ address: '0000:01:00.1', classCode: 0x020000, driver: 'ixgbe' }],
  });
});

t.test('a group that stands for no IOMMU is none', async (t) => {
  const machine = new MadeMachine(t.testdir());
  machine.addDevice({ address: ADDRESS, driver: 'vfio-pci' });
  machine.put('/sys/kernel/iommu_groups/7/name', 'vfio-noiommu\n');
  t.match(await readNvme(machine, ADDRESS), { group: null, nodes: ['/dev/vfio/noiommu-7'] });
});

t.test('what is not there, or is something else, is said', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addDevice({ address: '0000:02:00.0', classCode: '020000', driver: 'ixgbe' });
  await t.rejects(readNvme(machine, '0000:09:00.0'), {
    code: 'not_found',
    message:
      'there is no PCI device 0000:09:00.0; `capsuled device list` shows those that there are',
  });
  await t.rejects(readNvme(machine, '0000:02:00.0'), {
    code: 'device_failed',
    message: 'the PCI device 0000:02:00.0 is no NVMe controller',
  });
  t.equal(await readFound(machine, '0000:09:00.0'), undefined, 'taken out meanwhile');
});

t.test('a machine without a PCI bus, and one without sysfs, are told apart', async (t) => {
  const machine = new MadeMachine(t.testdir());
  machine.take('/sys/bus/pci');
  t.strictSame(await findNvme(machine), { found: [], looked: null });
  await t.rejects(readNvme(machine, ADDRESS), {
    message: 'this machine shows no PCI devices (/sys/bus/pci)',
  });
  machine.take('/sys/bus');
  for (const ask of [() => findNvme(machine), () => readNvme(machine, ADDRESS)]) {
    await t.rejects<unknown>(ask, {
      code: 'platform_unsupported',
      message: /^sysfs is not mounted at \/sys, so no device can be seen; /,
    });
  }
});
