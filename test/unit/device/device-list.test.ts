import t from 'tap';
import { type DeviceBdev, DeviceList } from '../../../src/device/device-list.js';
import { FormerDrivers } from '../../../src/device/former-drivers.js';
import { udevRules } from '../../../src/device/udev-rules.js';
import { ADDRESS, MadeMachine, machineWithDrive } from './made-machine.js';

const GIVEN = '0000:02:00.0';

function list(files: MadeMachine, bdevs: DeviceBdev[] = []): DeviceList {
  return new DeviceList({
    files,
    former: new FormerDrivers(files, '/run/capsuled'),
    bdevs: () => bdevs,
  });
}

t.test(
  'a machine without NVMe devices has none, and its processes are not looked at',
  async (t) => {
    const machine = new MadeMachine(t.testdir());
    machine.take('/proc');
    t.strictSame(await list(machine).read(), []);
  },
);

t.test('devices are shown with who has them', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.put('/proc/swaps', 'Filename\n/dev/nvme0n1p1 partition 1 0 -2\n');
  machine.addDevice({ address: GIVEN, driver: 'vfio-pci', override: 'vfio-pci', group: 8 });
  machine.put(
    `/run/capsuled/${GIVEN}.json`,
    JSON.stringify({
      ...{ vendor: '144d', device: 'a808', driver: 'nvme', driver_override: null },
      names: { model: 'Other SSD', serial: 'S2', firmware: '2' },
    }),
  );
  const bdevs = [
    { name: 'ssd0', address: GIVEN, number: null },
    { name: 'file0', address: null, number: '259:0' },
    { name: 'file1', address: null, number: '8:0' },
  ];
  const [first, second] = await list(machine, bdevs).read();
  t.strictSame(first, {
    address: ADDRESS,
    vendor: '144d',
    device: 'a808',
    model: 'Example SSD 1TB',
    serial: 'S1',
    firmware: '1.0',
    controller: 'nvme0',
    state: 'live',
    subnqn: 'nqn.2026-11.com.example:drive',
    namespaces: [{ name: 'nvme0n1', nsid: 1, block_size: 512, size: 1 << 20 }],
    size: 1 << 20,
    driver: 'nvme',
    driver_override: null,
    former_driver: null,
    iommu_group: 7,
    group_devices: [],
    numa_node: null,
    in_use_by: [
      { kind: 'bdev', device: 'nvme0n1', text: 'nvme0n1 is behind bdev file0 of this daemon' },
      { kind: 'swap', device: 'nvme0n1p1', text: 'nvme0n1p1 is swapped on' },
    ],
    in_use_by_is_whole: true,
  });
  t.match(second, {
    ...{ address: GIVEN, model: 'Other SSD', serial: 'S2', firmware: '2', size: null },
    ...{ controller: null, namespaces: [], driver: 'vfio-pci', driver_override: 'vfio-pci' },
    former_driver: 'nvme',
    in_use_by: [
      { kind: 'bdev', device: GIVEN, text: `${GIVEN} is driven by bdev ssd0 of this daemon` },
    ],
  });
});

t.test('who asks while it is read gets the same', async (t) => {
  const devices = list(machineWithDrive(t.testdir()));
  const [first, second] = [devices.read(), devices.read()];
  t.equal(first, second);
  await first;
  t.not(devices.read(), first);
});

t.test('the rules name the device and the group, and are one line each', async (t) => {
  const rules = udevRules(ADDRESS, 'S1', 'storage');
  t.equal(rules.length, 3);
  for (const rule of rules) {
    t.match(rule, /storage/);
    t.notMatch(rule, /\n/);
  }
  t.match(rules[0], `KERNEL=="${ADDRESS}"`);
});

t.test('the rule for block devices holds where they are below no controller', async (t) => {
  t.equal(
    udevRules(ADDRESS, 'S1 a', 'g')[1],
    'SUBSYSTEM=="block", ATTRS{serial}=="S1 a", GROUP="g"',
  );
  for (const serial of [null, '', 'S*', 'a"b', 'a|b']) {
    const rule = `SUBSYSTEM=="block", KERNELS=="${ADDRESS}", GROUP="g"`;
    t.equal(udevRules(ADDRESS, serial, 'g')[1], rule, String(serial));
  }
});
