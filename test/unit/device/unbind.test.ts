import t from 'tap';
import { FormerDrivers } from '../../../src/device/former-drivers.js';
import { driverOf, readNvme } from '../../../src/device/pci-device.js';
import { isGivenAway, isToGiveBack, prepareUnbind, unbind } from '../../../src/device/unbind.js';
import { readUsage } from '../../../src/device/usage.js';
import { ADDRESS, MadeMachine } from './made-machine.js';

const FOLDER = `/sys/bus/pci/devices/${ADDRESS}`;

/** With a drive that was given away. */
function boundMachine(folder: string): MadeMachine {
  const machine = new MadeMachine(folder);
  machine.addDevice({ address: ADDRESS, driver: 'vfio-pci', override: 'vfio-pci' });
  return machine;
}

function former(machine: MadeMachine): FormerDrivers {
  return new FormerDrivers(machine, '/run/capsuled');
}

async function prepare(machine: MadeMachine) {
  const device = await readNvme(machine, ADDRESS);
  return prepareUnbind(machine, former(machine), device, await readUsage(machine));
}

function remembered(machine: MadeMachine, record: object): void {
  const text = JSON.stringify({ vendor: '144d', device: 'a808', ...record });
  machine.put(`/run/capsuled/${ADDRESS}.json`, text);
}

t.test('what is not remembered goes to the kernel’s own driver', async (t) => {
  const machine = boundMachine(t.testdir());
  t.ok(isGivenAway(await readNvme(machine, ADDRESS)));
  await unbind(machine, former(machine), await prepare(machine));
  t.strictSame(machine.written, [
    ` > ${FOLDER}/driver_override`,
    `${ADDRESS} > /sys/bus/pci/drivers/vfio-pci/unbind`,
    `${ADDRESS} > /sys/bus/pci/drivers_probe`,
  ]);
  const device = await readNvme(machine, ADDRESS);
  t.match(device, { driver: 'nvme', driverOverride: null });
  t.notOk(isGivenAway(device));
});

t.test('a device is given back to the driver that it had', async (t) => {
  const machine = boundMachine(t.testdir());
  machine.put('/sys/bus/pci/drivers/uio_pci_generic/unbind', '');
  remembered(machine, { driver: 'uio_pci_generic', driver_override: 'uio_pci_generic' });
  await unbind(machine, former(machine), await prepare(machine));
  const device = await readNvme(machine, ADDRESS);
  t.match(device, { driver: 'uio_pci_generic', driverOverride: 'uio_pci_generic' });
  t.equal(await former(machine).recall(device), null, 'and that is forgotten');
});

t.test('a device that had no driver gets none', async (t) => {
  const machine = boundMachine(t.testdir());
  remembered(machine, { driver: null, driver_override: null });
  await unbind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), null);
});

t.test('what is remembered of another device, or was damaged, counts for nothing', async (t) => {
  const machine = boundMachine(t.testdir());
  for (const text of [
    '',
    '{',
    '3',
    'null',
    JSON.stringify({ vendor: '144d', device: 'ffff', driver: 'uio_pci_generic' }),
  ]) {
    machine.put(`/run/capsuled/${ADDRESS}.json`, text);
    t.match(await prepare(machine), { to: 'nvme', override: null });
  }
});

t.test('names that are damaged are unknown', async (t) => {
  const machine = boundMachine(t.testdir());
  remembered(machine, { driver: 3, names: { model: 4, serial: 'S1' } });
  t.strictSame(await former(machine).recall(await readNvme(machine, ADDRESS)), {
    driver: null,
    driverOverride: null,
    names: { model: '', serial: 'S1', firmware: '' },
  });
});

t.test('a device that a process drives stays with it', async (t) => {
  const machine = boundMachine(t.testdir());
  machine.put(`${FOLDER}/vfio-dev/vfio3/uevent`, '');
  machine.addProcess(44, 'node', '/dev/vfio/7');
  machine.put('/proc/44/cmdline', '/usr/bin/node\0/usr/bin/capsuled\0serve\0--config\0c.yaml\0');
  await t.rejects(prepare(machine), {
    code: 'in_use',
    message: `${ADDRESS} is in use: /dev/vfio/7 is open in process 44 (capsuled serve)`,
  });
  machine.take('/proc/44');
  machine.addProcess(45, 'vmm', '/dev/vfio/devices/vfio3');
  await t.rejects(prepare(machine), {
    message: `${ADDRESS} is in use: /dev/vfio/devices/vfio3 is open in process 45 (vmm)`,
  });
  machine.take('/proc/45');
  machine.refused.set('/dev/vfio/7', 'EBUSY');
  await t.rejects(prepare(machine), {
    code: 'in_use',
    message: `${ADDRESS} is in use: /dev/vfio/7 is in use by another process`,
  });
  t.strictSame(machine.written, []);
});

t.test('who may not open the group may give the device back all the same', async (t) => {
  const machine = boundMachine(t.testdir());
  machine.refused.set('/dev/vfio/7', 'EACCES');
  await unbind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), 'nvme');
});

t.test('a driver that does not take it back leaves it with vfio-pci', async (t) => {
  const machine = boundMachine(t.testdir());
  remembered(machine, { driver: 'nvme', driver_override: null });
  machine.broken.add('nvme');
  await t.rejects(unbind(machine, former(machine), await prepare(machine)), {
    code: 'device_failed',
    message: `${ADDRESS}: expected the driver nvme to take it, but it has no driver; \`dmesg\` may say why, and \`modprobe nvme\` loads that driver; it is as it was`,
  });
  const device = await readNvme(machine, ADDRESS);
  t.match(device, { driver: 'vfio-pci', driverOverride: 'vfio-pci' });
  t.match(await former(machine).recall(device), { driver: 'nvme' }, 'and that is not forgotten');
});

t.test('a drive that got stuck between the two drivers can be given back', async (t) => {
  const machine = boundMachine(t.testdir());
  machine.take(`${FOLDER}/driver`);
  const device = await readNvme(machine, ADDRESS);
  t.notOk(await isToGiveBack(former(machine), device), 'nobody knows anything of it');
  remembered(machine, { driver: 'nvme', driver_override: null });
  t.ok(await isToGiveBack(former(machine), device));
  await unbind(machine, former(machine), await prepare(machine));
  t.equal(await driverOf(machine, ADDRESS), 'nvme');
  t.notOk(await isToGiveBack(former(machine), await readNvme(machine, ADDRESS)));
});

t.test('a device by which functions live stays where it is', async (t) => {
  const machine = boundMachine(t.testdir());
  machine.point(`${FOLDER}/virtfn0`, '../0000:01:00.1');
  await t.rejects(prepare(machine), {
    code: 'in_use',
    message: /it has the virtual functions 0000:01:00.1; /,
  });
});
