import { constants } from 'node:fs';
import t from 'tap';
import { bind, prepareBind } from '../../../src/device/bind.js';
import { Claims } from '../../../src/device/claims.js';
import { FormerDrivers } from '../../../src/device/former-drivers.js';
import { writeText, writesOf } from '../../../src/device/handover.js';
import { driverOf, readNvme } from '../../../src/device/pci-device.js';
import { readUsage } from '../../../src/device/usage.js';
import { LateFault } from '../../../src/small-file.js';
import { ADDRESS, type MadeMachine, machineWithDrive } from './made-machine.js';

const FOLDER = `/sys/bus/pci/devices/${ADDRESS}`;
const OTHER = '0000:01:00.1';

async function prepare(machine: MadeMachine, together: readonly string[] = [ADDRESS]) {
  const device = await readNvme(machine, ADDRESS);
  const claims = new Claims(machine);
  try {
    return await prepareBind(machine, device, await readUsage(machine), { claims, together });
  } catch (thrown) {
    await claims.releaseAll();
    throw thrown;
  }
}

function former(machine: MadeMachine): FormerDrivers {
  return new FormerDrivers(machine, '/run/capsuled');
}

t.test('what is to be written is known before', async (t) => {
  const machine = machineWithDrive(t.testdir());
  const { handover, claims } = await prepare(machine);
  t.strictSame(writesOf(handover).map(writeText), [
    `echo vfio-pci > ${FOLDER}/driver_override`,
    `echo ${ADDRESS} > /sys/bus/pci/drivers/nvme/unbind`,
    `echo ${ADDRESS} > /sys/bus/pci/drivers_probe`,
  ]);
  t.strictSame([...machine.claimed], ['/dev/nvme0n1']);
  await claims.releaseAll();
  t.equal(machine.claimed.size, 0);
  t.strictSame(machine.written, []);
});

t.test('a drive that nobody uses is given away, claimed until the kernel lets go', async (t) => {
  const machine = machineWithDrive(t.testdir());
  await bind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), 'vfio-pci');
  t.strictSame(machine.claimedAtUnbind, ['/dev/nvme0n1']);
  t.strictSame(machine.claimedAtProbe, []);
  t.equal(machine.claimed.size, 0);
  t.strictSame(await former(machine).recall(await readNvme(machine, ADDRESS)), {
    driver: 'nvme',
    driverOverride: null,
    names: { model: 'Example SSD 1TB', serial: 'S1', firmware: '1.0' },
  });
});

t.test('a device without a driver is given away as it is', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.take(`${FOLDER}/driver`);
  machine.take(`${FOLDER}/nvme`);
  await bind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), 'vfio-pci');
  t.match(await former(machine).recall(await readNvme(machine, ADDRESS)), { driver: null });
});

/** What keeps a drive from being given away, and what is said then. */
const refusals: readonly (readonly [
  string,
  (machine: MadeMachine) => void,
  { code: string; message: RegExp | string },
])[] = [
  [
    'it is behind no IOMMU',
    (machine) => {
      machine.take(`${FOLDER}/iommu_group`);
    },
    {
      code: 'platform_unsupported',
      message:
        `the device ${ADDRESS} is behind no IOMMU; one has to be turned on in the firmware and by the ` +
        "kernel's intel_iommu=on or amd_iommu=on",
    },
  ],
  [
    'it is in a virtual machine without an IOMMU',
    (machine) => {
      machine.take(`${FOLDER}/iommu_group`);
      machine.put('/proc/cpuinfo', 'flags\t\t: fpu hypervisor lahf_lm\n');
    },
    {
      code: 'platform_unsupported',
      message: /; this is a virtual machine, whose host has to give/,
    },
  ],
  [
    'vfio-pci is not loaded',
    (machine) => {
      machine.take('/sys/bus/pci/drivers/vfio-pci');
    },
    {
      code: 'platform_unsupported',
      message: 'the driver vfio-pci is not loaded; `modprobe vfio-pci` loads it',
    },
  ],
  [
    'it is in use, by several',
    (machine) => {
      machine.put('/proc/self/mountinfo', '36 35 259:1 / /boot rw - ext4 /dev/nvme0n1p1 rw\n');
      machine.put('/proc/swaps', 'Filename\n/dev/nvme0n1 partition 1 0 -2\n');
    },
    {
      code: 'in_use',
      message: `${ADDRESS} is in use: nvme0n1 is swapped on; nvme0n1p1 is mounted at /boot`,
    },
  ],
  [
    'it shares its group with another device of the kernel',
    (machine) => {
      machine.addDevice({ address: OTHER, classCode: '020000', driver: 'ixgbe' });
    },
    {
      code: 'in_use',
      message:
        `${ADDRESS} shares IOMMU group 7 with ${OTHER} (the driver ixgbe); all of a group go to one process, or none; ` +
        'another slot may have its own',
    },
  ],
  [
    'it shares its group with another drive',
    (machine) => {
      machine.addDevice({ address: OTHER });
    },
    {
      code: 'in_use',
      message:
        `${ADDRESS} shares IOMMU group 7 with ${OTHER} (the driver nvme); all of a group go to one process, or none; ` +
        `\`capsuled device bind ${ADDRESS} ${OTHER}\` gives all of them`,
    },
  ],
  [
    'its group is in use by a process that is seen',
    (machine) => {
      machine.addDevice({ address: OTHER, driver: 'vfio-pci' });
      machine.addProcess(5, 'vmm', '/dev/vfio/7');
    },
    { code: 'in_use', message: `${ADDRESS} is in use: /dev/vfio/7 is open in process 5 (vmm)` },
  ],
  [
    'its group is in use by a process that is not seen',
    (machine) => {
      machine.addDevice({ address: OTHER, driver: 'vfio-pci' });
      machine.refused.set('/dev/vfio/7', 'EBUSY');
    },
    { code: 'in_use', message: `${ADDRESS} is in use: /dev/vfio/7 is in use by another process` },
  ],
  [
    'something in the kernel claims it',
    (machine) => {
      machine.taken.add('/dev/nvme0n1');
    },
    {
      code: 'in_use',
      message: `${ADDRESS} is in use: nvme0n1 is claimed by something that does not show who it is`,
    },
  ],
  [
    'something in the kernel claims a partition of it',
    (machine) => {
      machine.taken.add('/dev/nvme0n1');
      machine.taken.add('/dev/nvme0n1p1');
      machine.put('/run/udev/data/b259:1', 'E:ID_FS_TYPE=xfs_external_log\n');
    },
    {
      code: 'in_use',
      message:
        `${ADDRESS} is in use: nvme0n1p1 is claimed by something that does not show who it is; ` +
        'it holds xfs_external_log',
    },
  ],
  [
    'ZFS has claimed it, and its pools cannot be seen',
    (machine) => {
      machine.taken.add('/dev/nvme0n1');
      machine.taken.add('/dev/nvme0n1p1');
      machine.put('/run/udev/data/b259:1', 'E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n');
    },
    { code: 'in_use', message: `${ADDRESS} is in use: nvme0n1p1 is part of ZFS (tank)` },
  ],
  [
    'functions live by it',
    (machine) => {
      machine.point(`${FOLDER}/virtfn0`, `../${OTHER}`);
    },
    {
      code: 'in_use',
      message:
        `${ADDRESS} is in use: it has the virtual functions ${OTHER}; when nobody uses them, ` +
        `\`echo 0 > ${FOLDER}/sriov_numvfs\` ends them`,
    },
  ],
  [
    'the kernel keeps another controller of it',
    (machine) => {
      machine.addSubsystem('nvme-subsys0', { nvme0: ADDRESS, nvme1: '0000:02:00.0' });
    },
    {
      code: 'in_use',
      message:
        `${ADDRESS} is in use: the kernel reaches the same drive by nvme1 (0000:02:00.0) as well; ` +
        `\`capsuled device bind ${ADDRESS} 0000:02:00.0\` gives all of them`,
    },
  ],
  [
    'the kernel reaches it by a network as well',
    (machine) => {
      machine.addSubsystem('nvme-subsys0', { nvme0: ADDRESS, nvme1: null });
    },
    {
      code: 'in_use',
      message: /by nvme1 \(by a network\) as well; `nvme disconnect` ends those by a network$/,
    },
  ],
  [
    'it does no I/O',
    (machine) => {
      machine.put(`${FOLDER}/class`, '0x010803\n');
    },
    {
      code: 'device_failed',
      message:
        `${ADDRESS} is of class 010803h, whose last two digits are another programming interface ` +
        'than that of an NVMe I/O controller (010802h)',
    },
  ],
  [
    'its node is of another disk',
    (machine) => {
      machine.numbers.set('/dev/nvme0n1', 'b259:7');
    },
    {
      code: 'device_failed',
      message: `${ADDRESS}: whether nvme0n1 is in use cannot be seen, because /dev/nvme0n1 is not the block device 259:0`,
    },
  ],
  [
    'its node is a file',
    (machine) => {
      machine.numbers.delete('/dev/nvme0n1');
    },
    { code: 'device_failed', message: /\/dev\/nvme0n1 is not the block device 259:0$/ },
  ],
  [
    'its node is of a disk that is gone',
    (machine) => {
      machine.numbers.set('/dev/nvme0n1', 'b8:0');
      machine.refused.set('/dev/nvme0n1', 'ENXIO');
    },
    { code: 'device_failed', message: /\/dev\/nvme0n1 is not the block device 259:0$/ },
  ],
  [
    'whether it is in use may not be seen',
    (machine) => {
      machine.refused.set('/dev/nvme0n1', 'EACCES');
    },
    {
      code: 'forbidden',
      message: `${ADDRESS}: whether it is in use cannot be seen, because /dev/nvme0n1 may not be opened by this user; the operator's udev rule can allow it (docs/operating/devices.md)`,
    },
  ],
  [
    'whether it is in use cannot be seen',
    (machine) => {
      machine.refused.set('/dev/nvme0n1', 'ENOENT');
    },
    {
      code: 'device_failed',
      message: `${ADDRESS}: whether nvme0n1 is in use cannot be seen, because /dev/nvme0n1 cannot be opened: there is no such file`,
    },
  ],
];

for (const [why, arrange, error] of refusals) {
  t.test(`a drive stays where it is: ${why}`, async (t) => {
    const machine = machineWithDrive(t.testdir());
    arrange(machine);
    await t.rejects(prepare(machine), error);
    t.strictSame(machine.written, []);
    t.equal(machine.claimed.size, 0);
  });
}

t.test('a namespace that has failed keeps nobody', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.refused.set('/dev/nvme0n1', 'ENXIO');
  await bind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), 'vfio-pci');
});

t.test('a namespace that the kernel cannot use keeps nobody', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addController(ADDRESS, 'nvme0', ['nvme0n2']);
  machine.addBlock('nvme0n2', { number: '259:2' });
  machine.put('/sys/class/block/nvme0n2/hidden', '1\n');
  machine.refused.set('/dev/nvme0n2', 'ENOENT');
  await bind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), 'vfio-pci');
});

t.test('right before it is given away, it is looked at again', async (t) => {
  for (const [message, change] of [
    [
      `${ADDRESS} is in use: nvme0n1 is open in process 5 (db)`,
      (machine: MadeMachine) => {
        machine.addProcess(5, 'db', '/dev/nvme0n1', 'b259:0');
      },
    ],
    [
      `${ADDRESS} is in use: nvme0n2 is claimed by something that does not show who it is`,
      (machine: MadeMachine) => {
        machine.addController(ADDRESS, 'nvme0', ['nvme0n2']);
        machine.addBlock('nvme0n2', { number: '259:2' });
        machine.taken.add('/dev/nvme0n2');
      },
    ],
    [
      `${ADDRESS} has no driver meanwhile, and had the driver nvme`,
      (machine: MadeMachine) => {
        machine.take(`${FOLDER}/driver`);
      },
    ],
  ] as const) {
    const machine = machineWithDrive(t.testdir());
    const prepared = await prepare(machine);
    change(machine);
    await t.rejects(bind(machine, former(machine), prepared), { code: 'in_use', message });
    t.strictSame(machine.written, []);
    t.equal(machine.claimed.size, 0);
  }
});

t.test('a namespace that has come meanwhile is claimed as well', async (t) => {
  const machine = machineWithDrive(t.testdir());
  const prepared = await prepare(machine);
  machine.addController(ADDRESS, 'nvme0', ['nvme0n2']);
  machine.addBlock('nvme0n2', { number: '259:2' });
  await bind(machine, former(machine), prepared);
  t.strictSame(machine.claimedAtUnbind, ['/dev/nvme0n1', '/dev/nvme0n2']);
});

t.test('block devices are asked for alone, which shows who has them alone', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.taken.add('/dev/nvme0n1');
  const node = await machine.open('/dev/nvme0n1', constants.O_RDONLY);
  await node.close();
  await t.rejects(prepare(machine), { code: 'in_use' });
  machine.taken.clear();
  await t.resolves(prepare(machine));
});

t.test('all of a group may be given away together', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addDevice({ address: OTHER });
  await t.resolves(prepare(machine, [ADDRESS, OTHER]));
});

t.test('bridges, and devices without a driver, share a group with anybody', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addDevice({ address: '0000:00:1c.0', classCode: '060400', driver: 'pcieport' });
  machine.addDevice({ address: OTHER, classCode: '020000', driver: null });
  await t.resolves(prepare(machine));
});

/** What goes wrong on the way, what is said, and what has been written when it is taken back. */
const failures: readonly (readonly [string, (machine: MadeMachine) => void, string, string])[] = [
  [
    'the override may not be written',
    (machine) => machine.refused.set(`${FOLDER}/driver_override`, 'EACCES'),
    'forbidden',
    `${ADDRESS}: ${FOLDER}/driver_override may not be written by this user; the operator's udev rule can allow it (docs/operating/devices.md); it is as it was`,
  ],
  [
    'sysfs cannot be written',
    (machine) => machine.refused.set(`${FOLDER}/driver_override`, 'EROFS'),
    'device_failed',
    `${ADDRESS}: ${FOLDER}/driver_override cannot be written: sysfs is mounted read-only here; it is as it was`,
  ],
  [
    'the kernel does not let go',
    (machine) => machine.refused.set('/sys/bus/pci/drivers/nvme/unbind', 'EIO'),
    'device_failed',
    `${ADDRESS}: /sys/bus/pci/drivers/nvme/unbind cannot be written: the device or file system below reports an error; it is as it was`,
  ],
  [
    'vfio-pci does not take it',
    (machine) => machine.broken.add('vfio-pci'),
    'device_failed',
    `${ADDRESS}: expected the driver vfio-pci to take it, but it has no driver; \`dmesg\` may say why, and \`modprobe vfio-pci\` loads that driver; it is as it was`,
  ],
];

for (const [why, arrange, code, message] of failures) {
  t.test(`what fails on the way is taken back: ${why}`, async (t) => {
    const machine = machineWithDrive(t.testdir());
    arrange(machine);
    await t.rejects(bind(machine, former(machine), await prepare(machine)), { code, message });
    const device = await readNvme(machine, ADDRESS);
    t.match(device, { driver: 'nvme', driverOverride: null });
    t.equal(machine.claimed.size, 0);
    t.strictSame(machine.claimedAtProbe, [], 'its names are free when it comes back');
    t.equal(await former(machine).recall(device), null);
  });
}

t.test('what the kernel is still doing is not taken back', async (t) => {
  const machine = machineWithDrive(t.testdir());
  const prepared = await prepare(machine);
  const write = machine.write.bind(machine);
  machine.write = async (path, value) => {
    await write(path, value);
    if (path.endsWith('/unbind')) throw new LateFault('the file system has not answered for 90 s');
  };
  await t.rejects(bind(machine, former(machine), prepared), {
    code: 'device_failed',
    message:
      '/sys/bus/pci/drivers/nvme/unbind was written to, and the kernel has not answered since; it goes on. ' +
      'When it has ended, which `capsuled device status` shows, this command must be run again',
  });
  t.equal(machine.written.length, 2);
  t.equal(machine.claimed.size, 0);
  t.equal(await driverOf(machine, ADDRESS), null);
  machine.write = write;
  machine.take(`${FOLDER}/nvme`);
  await bind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), 'vfio-pci');
  const known = { driver: 'nvme', driverOverride: null, names: { serial: 'S1' } };
  t.match(await former(machine).recall(await readNvme(machine, ADDRESS)), known);
});

t.test('what is known of a drive is kept while the kernel is at it', async (t) => {
  const machine = machineWithDrive(t.testdir());
  const prepared = await prepare(machine);
  machine.write = () => Promise.reject(new LateFault('the file system has not answered for 90 s'));
  await t.rejects(bind(machine, former(machine), prepared), { code: 'device_failed' });
  const device = await readNvme(machine, ADDRESS);
  t.match(device, { driver: 'nvme' });
  t.match(await former(machine).recall(device), { driver: 'nvme' });
});

t.test('what is known of a drive that is on its way is kept', async (t) => {
  for (const arrange of [
    // The kernel was too slow, and has not let go yet; or it has, and nobody has it.
    (machine: MadeMachine) => {
      machine.put(`${FOLDER}/driver_override`, 'vfio-pci\n');
    },
    (machine: MadeMachine) => {
      machine.take(`${FOLDER}/driver`);
    },
  ]) {
    const machine = machineWithDrive(t.testdir());
    await former(machine).remember(await readNvme(machine, ADDRESS));
    arrange(machine);
    machine.broken.add('vfio-pci').add('nvme');
    await t.rejects(bind(machine, former(machine), await prepare(machine)));
    const device = await readNvme(machine, ADDRESS);
    t.match(await former(machine).recall(device), { driver: 'nvme', driverOverride: null });
  }
});

t.test('what cannot be taken back is said', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.broken.add('vfio-pci').add('nvme');
  await t.rejects(bind(machine, former(machine), await prepare(machine)), {
    message: /; it is left with no driver$/,
  });
});

t.test('a driver of another kind is remembered, or kept', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.take(`${FOLDER}/driver`);
  machine.take(`${FOLDER}/nvme`);
  machine.put('/sys/bus/pci/drivers/uio_pci_generic/unbind', '');
  machine.point(`${FOLDER}/driver`, '../../../bus/pci/drivers/uio_pci_generic');
  machine.put(`${FOLDER}/driver_override`, 'uio_pci_generic\n');
  // A file where the folder would be.
  machine.put('/run/capsuled', '');
  await t.rejects(bind(machine, former(machine), await prepare(machine)), {
    code: 'state_unusable',
    message: new RegExp(
      `^${ADDRESS}: that it has the driver uio_pci_generic must be written down before, and ` +
        `/run/capsuled/${ADDRESS}.json cannot be written: `,
    ),
  });
  t.strictSame(machine.written, []);
  machine.take('/run/capsuled');
  await bind(machine, former(machine), await prepare(machine));
  t.match(await former(machine).recall(await readNvme(machine, ADDRESS)), {
    driver: 'uio_pci_generic',
    driverOverride: 'uio_pci_generic',
  });
});

t.test('who may not write anything down may bind what the kernel knows by itself', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.put('/run/capsuled', '');
  await bind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), 'vfio-pci');
});
