import t from 'tap';

import { deviceIdentity } from '../../../src/identity/device-identity.js';
import { Machine } from '../../../src/identity/machine.js';

const here = new Machine('11111111111111111111111111111111', true);
const there = new Machine('22222222222222222222222222222222', true);
const sysfs_path = '/sys/devices/pci0/block/sda';

type Names = Readonly<Record<string, string>>;

function of(names: Names, diskNames: Names = {}, machine = here) {
  return deviceIdentity({ names: { ...names, sysfs_path }, diskNames }, machine);
}

for (const [what, names] of [
  ['an NAA name', { wwid: 'naa.5000c500a1b2c3d4', serial: 'Z1' }],
  ['an EUI-64', { wwid: 'eui.0025385b71b00a4e' }],
  ['an NGUID', { nguid: '6479a7f0-0000-0000-0000-00a0b1c2d3e4', wwid: 'eui.1' }],
  ['a UUID', { uuid: '0b6f6f2e-9f0e-4c0c-8a51-6d0f9d5a7a11' }],
] as const) {
  t.test(`a device with ${what} is the same on every machine`, async (t) => {
    t.ok(of(names));
    t.same(of(names, {}, there), of(names));
  });
}

for (const [what, names] of [
  ['a vendor’s name', { wwid: 't10.ATA     QEMU HARDDISK   QM00001' }],
  ['the EUI-64 that QEMU gives', { wwid: 'eui.5254000000000001' }],
  ['a serial number', { serial: 'deadbeef', model: 'QEMU NVMe Ctrl' }],
  ['a volume’s name', { dm_uuid: 'LVM-abc' }],
] as const) {
  t.test(`a device with ${what} is another one on another machine`, async (t) => {
    t.ok(of(names));
    t.same(of(names), of(names));
    t.not(of(names, {}, there)?.uuid, of(names)?.uuid);
  });
}

t.test('partitions differ from their disk and from each other', async (t) => {
  const disk = { wwid: 'naa.5000c500a1b2c3d4' };
  const all = [
    of(disk),
    of({ partition: '1', partition_uuid: 'aa' }, disk),
    of({ partition: '2', partition_uuid: 'bb' }, disk),
    of({ partition: '1' }, disk),
    of({ partition: '1', partition_uuid: 'aa' }),
  ];
  t.equal(new Set(all.map((identity) => identity?.uuid)).size, all.length);
});

t.test('a device that says nothing has no identity of its own', async (t) => {
  for (const names of [{}, { serial: '' }, { wwid: '0000000000000000' }]) {
    t.equal(of(names), null);
  }
  t.equal(of({ partition: '1' }), null);
});
