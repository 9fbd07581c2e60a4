import t from 'tap';
import type { Finding } from '../../../src/doctor/finding.js';
import { vfioFindings } from '../../../src/doctor/vfio.js';
import { ADDRESS } from '../device/made-machine.js';
import { type MadePatient, patient } from './patient.js';

const NVME = `bdevs: [{ name: ssd0, kind: nvme, address: "${ADDRESS}" }]\n`;

/** With VFIO, and a drive that was given to it. */
function ready(folder: string): MadePatient {
  const from = patient(folder, {}, NVME);
  from.files.addDevice({ address: ADDRESS, driver: 'vfio-pci' });
  from.files.put('/sys/module/vfio_iommu_type1/refcnt', '0\n');
  from.files.put('/dev/vfio/vfio', '');
  return from;
}

async function found(from: MadePatient): Promise<Record<string, Finding>> {
  return Object.fromEntries((await vfioFindings(from)).map((one) => [one.name, one]));
}

t.test('a drive that was given away can be used', async (t) => {
  t.match(await found(ready(t.testdir())), {
    iommu: { verdict: 'ok', reason: 'it has 1 groups' },
    vfio: { verdict: 'ok' },
    nvme_devices: { verdict: 'ok', reason: '1 on PCI Express, 1 given to vfio-pci' },
    'bdev ssd0': { verdict: 'ok', reason: `${ADDRESS} can be used` },
  });
});

t.test('what bdevs of kind nvme need is missing, and else unused', async (t) => {
  for (const [yaml, verdict] of [
    [NVME, 'missing'],
    ['', 'unused'],
  ] as const) {
    const from = patient(t.testdir(), {}, yaml);
    const findings = await found(from);
    t.match(findings, {
      iommu: { verdict, reason: 'this machine has none, or has it turned off', fix: /iommu=on/ },
      vfio: { verdict, reason: 'there is no /sys/module/vfio_iommu_type1' },
      nvme_devices: { verdict, reason: 'there are none' },
    });
    t.equal(findings['bdev ssd0']?.verdict, yaml === '' ? undefined : 'missing');
  }
});

t.test('of VFIO, the part that is not there is named', async (t) => {
  for (const [path, fix] of [
    ['/sys/bus/pci/drivers/vfio-pci', 'modprobe vfio-pci'],
    ['/sys/module/vfio_iommu_type1', 'modprobe vfio_iommu_type1'],
    ['/dev/vfio/vfio', 'modprobe vfio'],
  ] as const) {
    const from = ready(t.testdir());
    from.files.take(path);
    t.match((await found(from))['vfio'], { reason: `there is no ${path}`, fix });
  }
});

t.test('a controller that does no I/O cannot be used', async (t) => {
  const from = ready(t.testdir());
  from.files.put(`/sys/bus/pci/devices/${ADDRESS}/class`, '0x010803\n');
  t.match((await found(from))['bdev ssd0'], {
    verdict: 'missing',
    reason: /^0000:01:00.0 is of class 010803h, /,
  });
});

t.test('what keeps the daemon from a drive is said as it would be met', async (t) => {
  const other = '0000:01:00.1';
  const ills: readonly (readonly [(from: MadePatient) => void, object])[] = [
    [
      ({ files }) => {
        files.take(`/sys/bus/pci/devices/${ADDRESS}`);
      },
      { reason: /^there is no PCI device 0000:01:00.0; /, fix: null },
    ],
    [
      ({ files }) => {
        files.take(`/sys/bus/pci/devices/${ADDRESS}/iommu_group`);
      },
      { reason: `the device ${ADDRESS} is behind no IOMMU`, fix: /intel_iommu=on/ },
    ],
    [
      ({ files }) => {
        files.take(`/sys/bus/pci/devices/${ADDRESS}/driver`);
      },
      { reason: `the device ${ADDRESS} has no driver`, fix: `capsuled device bind ${ADDRESS}` },
    ],
    [
      ({ files }) => {
        files.addDevice({ address: other, classCode: '020000', driver: 'ixgbe' });
      },
      {
        reason: `IOMMU group 7 has ${other} as well, which has the driver ixgbe`,
        fix: 'give all of the group to vfio-pci, or use another slot',
      },
    ],
    [
      ({ files }) => {
        files.refused.set('/dev/vfio/7', 'EACCES');
      },
      { reason: '/dev/vfio/7 may not be opened by this user', fix: /^SUBSYSTEM=="vfio"/ },
    ],
  ];
  for (const [make, expected] of ills) {
    const from = ready(t.testdir());
    make(from);
    t.match((await found(from))['bdev ssd0'], { verdict: 'missing', ...expected });
  }
});
