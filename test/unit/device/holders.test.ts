import t from 'tap';
import { TargetError } from '../../../src/errors.js';
import { LateFault } from '../../../src/small-file.js';
import { type Holder, holdersOf } from '../../../src/device/holders.js';
import { readNvme } from '../../../src/device/pci-device.js';
import { readUsage } from '../../../src/device/usage.js';
import { ADDRESS, type MadeMachine, machineWithDrive } from './made-machine.js';

async function holders(machine: MadeMachine): Promise<Holder[]> {
  return holdersOf(machine, await readNvme(machine, ADDRESS), await readUsage(machine));
}

const mounted = (number: string, point: string, source: string) =>
  `36 35 ${number} / ${point} rw,noatime shared:1 - ext4 ${source} rw\n`;

t.test('a drive that nobody uses is held by nobody', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.put('/proc/self/mountinfo', mounted('8:1', '/', '/dev/sda1'));
  machine.put('/run/udev/data/b259:1', 'E:ID_FS_TYPE=LVM2_member\n');
  machine.addProcess(12, 'cat', '/dev/null');
  t.strictSame(await holders(machine), []);
});

/** How a machine comes to hold the drive, and what is said of it. */
const cases: readonly (readonly [string, (machine: MadeMachine) => void, readonly Holder[]])[] = [
  [
    'a mount of a partition',
    (machine) => {
      machine.put('/proc/self/mountinfo', mounted('259:1', '/srv/my\\040data', '/dev/nvme0n1p1'));
    },
    [{ kind: 'mount', device: 'nvme0n1p1', text: 'nvme0n1p1 is mounted at /srv/my data' }],
  ],
  [
    'a mount of the whole disk, by a name that only its number shows',
    (machine) => {
      machine.put('/proc/self/mountinfo', mounted('259:0', '/', '/dev/root'));
    },
    [{ kind: 'mount', device: 'nvme0n1', text: 'nvme0n1 is mounted at /' }],
  ],
  [
    'a mount with a number of its own',
    (machine) => {
      machine.put('/proc/self/mountinfo', mounted('0:44', '/data', '/dev/nvme0n1p1'));
    },
    [{ kind: 'mount', device: 'nvme0n1p1', text: 'nvme0n1p1 is mounted at /data' }],
  ],
  [
    'a mount in another mount namespace alone',
    (machine) => {
      machine.point('/proc/self/ns/mnt', 'mnt:[1]');
      machine.addProcess(12, 'same', '/dev/null');
      machine.point('/proc/12/ns/mnt', 'mnt:[1]');
      machine.put('/proc/12/mountinfo', mounted('259:1', '/not-looked-at', '/dev/nvme0n1p1'));
      machine.addProcess(13, 'dockerd', '/dev/null');
      machine.point('/proc/13/ns/mnt', 'mnt:[2]');
      machine.put('/proc/13/mountinfo', mounted('259:1', '/data', '/dev/nvme0n1p1'));
    },
    [
      {
        kind: 'mount',
        device: 'nvme0n1p1',
        text: 'nvme0n1p1 is mounted at /data in the mount namespace of process 13 (dockerd)',
      },
    ],
  ],
  [
    'a mount that only the first process sees, since this one is in a folder of its own',
    (machine) => {
      machine.point('/proc/self/ns/mnt', 'mnt:[1]');
      machine.addProcess(1, 'init', '/dev/null');
      machine.point('/proc/1/ns/mnt', 'mnt:[1]');
      machine.put('/proc/1/mountinfo', mounted('259:1', '/data', '/dev/nvme0n1p1'));
    },
    [
      {
        kind: 'mount',
        device: 'nvme0n1p1',
        text: 'nvme0n1p1 is mounted at /data in the mount namespace of process 1 (init)',
      },
    ],
  ],
  [
    'swap',
    (machine) => {
      machine.put('/proc/swaps', 'Filename Type Size Used\n/dev/nvme0n1p1 partition 1 0 -2\n');
    },
    [{ kind: 'swap', device: 'nvme0n1p1', text: 'nvme0n1p1 is swapped on' }],
  ],
  [
    'an md array with a file system',
    (machine) => {
      machine.hold('nvme0n1p1', 'md0');
      machine.addBlock('md0', { number: '9:0', partitions: { md0p1: '259:9' } });
      machine.put('/sys/class/block/md0/md/level', 'raid1\n');
      machine.put('/proc/self/mountinfo', mounted('259:9', '/home', '/dev/md0p1'));
    },
    [
      {
        kind: 'md',
        device: 'nvme0n1p1',
        text: 'nvme0n1p1 is part of the md array md0, which is mounted at /home',
      },
    ],
  ],
  [
    'LVM with a file system and swap on what is encrypted',
    (machine) => {
      machine.hold('nvme0n1p1', 'dm-0');
      machine.addBlock('dm-0', { number: '253:0', holders: ['dm-1', 'dm-2'] });
      machine.put('/sys/class/block/dm-0/dm/name', 'luks\n');
      machine.put('/sys/class/block/dm-0/dm/uuid', 'CRYPT-LUKS2-1-luks\n');
      for (const [index, name] of ['vg-root', 'vg-swap'].entries()) {
        const block = `dm-${String(index + 1)}`;
        machine.addBlock(block, { number: `253:${String(index + 1)}` });
        machine.put(`/sys/class/block/${block}/dm/name`, `${name}\n`);
        machine.put(`/sys/class/block/${block}/dm/uuid`, 'LVM-abc\n');
      }
      machine.put('/proc/self/mountinfo', mounted('253:1', '/', '/dev/mapper/vg-root'));
      machine.put('/proc/swaps', 'Filename\n/dev/dm-2 partition 1 0 -2\n');
    },
    [
      {
        kind: 'crypt',
        device: 'nvme0n1p1',
        text:
          'nvme0n1p1 is part of the encrypted device luks (dm-0), which is part of the LVM volume vg-root (dm-1), ' +
          'which is mounted at / and is part of the LVM volume vg-swap (dm-2), which is swapped on',
      },
    ],
  ],
  ...(
    [
      ['LVM-abc', 'lvm', 'the LVM volume'],
      ['mpath-3600', 'multipath', 'the multipath device'],
      ['other', 'device_mapper', 'the mapped device'],
    ] as const
  ).map(
    ([uuid, kind, words]) =>
      [
        `device mapper: ${kind}`,
        (machine: MadeMachine) => {
          machine.hold('nvme0n1', 'dm-3');
          machine.addBlock('dm-3', { number: '253:3' });
          machine.put('/sys/class/block/dm-3/dm/name', 'one\n');
          machine.put('/sys/class/block/dm-3/dm/uuid', `${uuid}\n`);
        },
        [{ kind, device: 'nvme0n1', text: `nvme0n1 is part of ${words} one (dm-3)` }],
      ] as const,
  ),
  [
    'bcache, that shows as a holder or not',
    (machine) => {
      machine.hold('nvme0n1p1', 'bcache0');
      machine.put('/sys/class/block/bcache0/bcache/state', 'clean\n');
      machine.put('/sys/class/block/nvme0n1/bcache/set', '');
    },
    [
      { kind: 'bcache', device: 'nvme0n1', text: 'nvme0n1 is part of bcache' },
      { kind: 'bcache', device: 'nvme0n1p1', text: 'nvme0n1p1 is part of bcache0' },
    ],
  ],
  [
    'something else that stands on it',
    (machine) => {
      machine.hold('nvme0n1', 'drbd0');
    },
    [{ kind: 'block_device', device: 'nvme0n1', text: 'nvme0n1 is part of drbd0' }],
  ],
  [
    'btrfs, of which mounts name but the first device',
    (machine) => {
      machine.put('/sys/fs/btrfs/1b2c/devices/nvme0n1p1/dev', '');
      machine.put('/sys/fs/btrfs/features/raid56', '1\n');
    },
    [
      {
        kind: 'btrfs',
        device: 'nvme0n1p1',
        text: 'nvme0n1p1 is part of the mounted btrfs file system 1b2c',
      },
    ],
  ],
  [
    'a ZFS pool that is imported',
    (machine) => {
      machine.put('/run/udev/data/b259:1', 'E:ID_FS_LABEL=tank\nE:ID_FS_TYPE=zfs_member\n');
      machine.put('/proc/spl/kstat/zfs/tank/state', 'ONLINE\n');
    },
    [{ kind: 'zfs', device: 'nvme0n1p1', text: 'nvme0n1p1 is part of the ZFS pool tank' }],
  ],
  [
    'a loop device',
    (machine) => {
      machine.put('/sys/class/block/loop0/loop/backing_file', '/dev/nvme0n1p1\n');
      machine.put('/sys/class/block/loop1/loop/backing_file', '/srv/image\n');
      machine.put('/sys/class/block/loop2/dev', '7:2\n');
    },
    [{ kind: 'loop', device: 'nvme0n1p1', text: 'nvme0n1p1 is behind loop0' }],
  ],
  [
    "the kernel's target, by another name of the disk",
    (machine) => {
      const folder = '/sys/kernel/config/nvmet/subsystems/nqn.a/namespaces';
      machine.put(`${folder}/1/device_path`, '/dev/disk/by-id/nvme-S1\n');
      machine.put(`${folder}/1/enable`, '1\n');
      machine.put(`${folder}/2/device_path`, '/dev/nvme0n1p1\n');
      machine.put(`${folder}/2/enable`, '0\n');
      machine.numbers.set('/dev/disk/by-id/nvme-S1', 'b259:0');
    },
    [
      {
        kind: 'nvmet',
        device: 'nvme0n1',
        text: "nvme0n1 is exported by the kernel's target (nqn.a, namespace 1)",
      },
    ],
  ],
  [
    "the kernel's target, which passes commands through to the controller",
    (machine) => {
      const folder = '/sys/kernel/config/nvmet/subsystems/nqn.a/passthru';
      machine.put(`${folder}/device_path`, '/dev/nvme0\n');
      machine.put(`${folder}/enable`, '1\n');
      machine.numbers.set('/dev/nvme0', 'c242:0');
    },
    [
      {
        kind: 'nvmet',
        device: 'the controller',
        text: "the controller is exported by the kernel's target (nqn.a, passthru)",
      },
    ],
  ],
  [
    "the kernel's SCSI target, by a name in a folder of somebody's own",
    (machine) => {
      const folder = '/sys/kernel/config/target/core';
      machine.put(`${folder}/iblock_0/disk/udev_path`, '/data/disk\n');
      machine.put(`${folder}/iblock_0/disk/enable`, '1\n');
      machine.put(`${folder}/iblock_0/disk/info`, 'iBlock device: a  UDEV PATH: /data/disk\n');
      machine.put(`${folder}/fileio_0/other/udev_path`, '\n');
      machine.put(`${folder}/fileio_0/other/enable`, '1\n');
      const info = 'TCM FILEIO ID: 0        File: /dev/nvme0n1  Size: 1048576  Mode: O_DSYNC\n';
      machine.put(`${folder}/fileio_0/other/info`, `Status: ACTIVATED\n${info}`);
      machine.put(`${folder}/fileio_0/off/udev_path`, '/dev/nvme0n1\n');
      machine.put(`${folder}/fileio_0/off/enable`, '0\n');
      machine.put(`${folder}/alua/lu_gps/default`, '');
      machine.numbers.set('/data/disk', 'b259:1');
    },
    [
      {
        kind: 'lio',
        device: 'nvme0n1',
        text: "nvme0n1 is exported by the kernel's SCSI target (fileio_0/other)",
      },
      {
        kind: 'lio',
        device: 'nvme0n1p1',
        text: "nvme0n1p1 is exported by the kernel's SCSI target (iblock_0/disk)",
      },
    ],
  ],
  [
    'a loop device on a node of its own',
    (machine) => {
      machine.put('/sys/class/block/loop0/loop/backing_file', '/data/disk\n');
      machine.numbers.set('/data/disk', 'b259:0');
    },
    [{ kind: 'loop', device: 'nvme0n1', text: 'nvme0n1 is behind loop0' }],
  ],
  [
    'a process that has nodes of its own, in a container',
    (machine) => {
      machine.addProcess(20, 'db', '/data/blk', 'b259:0');
      machine.addProcess(21, 'vmm', '/data/group', 'c511:0');
      machine.put('/sys/class/vfio/7/dev', '511:0\n');
      machine.addProcess(22, 'other', 'socket:[259]');
    },
    [
      { kind: 'process', device: 'nvme0n1', text: 'nvme0n1 is open in process 20 (db)' },
      { kind: 'process', device: '/dev/vfio/7', text: '/dev/vfio/7 is open in process 21 (vmm)' },
    ],
  ],
  [
    'a process that has the disk open, by whatever name',
    (machine) => {
      machine.addProcess(812, 'qemu-system-x86', '/dev/xvda', 'b259:0');
    },
    [
      {
        kind: 'process',
        device: 'nvme0n1',
        text: 'nvme0n1 is open in process 812 (qemu-system-x86)',
      },
    ],
  ],
  [
    'a daemon of ours that has it open',
    (machine) => {
      machine.addProcess(9, 'node', '/dev/nvme0n1p1', 'b259:1');
      machine.put('/proc/9/cmdline', 'node\0/opt/capsuled/dist/src/main.js\0serve\0');
    },
    [
      {
        kind: 'process',
        device: 'nvme0n1p1',
        text: 'nvme0n1p1 is open in process 9 (capsuled serve)',
      },
    ],
  ],
  [
    'a process that has the controller open',
    (machine) => {
      machine.addProcess(7, 'nvme', '/dev/nvme0', 'c242:0');
    },
    [
      {
        kind: 'process',
        device: 'the controller',
        text: 'the controller is open in process 7 (nvme)',
      },
    ],
  ],
  [
    'a process that has its group',
    (machine) => {
      machine.addProcess(7, 'vmm', '/dev/vfio/7');
      machine.addProcess(8, 'vmm', '/dev/vfio/77');
    },
    [{ kind: 'process', device: '/dev/vfio/7', text: '/dev/vfio/7 is open in process 7 (vmm)' }],
  ],
];

for (const [what, hold, expected] of cases) {
  t.test(`who holds a drive is named: ${what}`, async (t) => {
    const machine = machineWithDrive(t.testdir());
    hold(machine);
    t.strictSame(await holders(machine), expected);
  });
}

t.test('block devices that stand on themselves, which there are none, end', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.hold('nvme0n1', 'dm-0');
  machine.addBlock('dm-0', { number: '253:0', holders: ['dm-0'] });
  const [holder] = await holders(machine);
  t.equal(holder?.text.split('is part of').length, 9);
});

t.test('a pool that is not imported holds nothing', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.put('/run/udev/data/b259:1', 'E:ID_FS_LABEL=../..\nE:ID_FS_TYPE=zfs_member\n');
  machine.put('/proc/spl/kstat/zfs/tank/state', 'ONLINE\n');
  t.strictSame(await holders(machine), []);
});

t.test('more open files than are looked at are said to be', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addProcess(12, 'many', '/dev/nvme0n1', 'b259:0');
  machine.point('/proc/12/fd/4', '/dev/null');
  t.match(await readUsage(machine, 2), { isWhole: true });
  const { isWhole, openers } = await readUsage(machine, 1);
  t.notOk(isWhole);
  t.equal(openers.size, 0);
});

t.test('who is not shown that there are all processes does not see all', async (t) => {
  for (const [why, arrange] of [
    [
      'hidepid',
      (machine: MadeMachine) => {
        machine.take('/proc/1');
      },
    ],
    [
      'no namespaces',
      (machine: MadeMachine) => {
        machine.take('/proc/self/ns/pid');
      },
    ],
    [
      'a container',
      (machine: MadeMachine) => {
        machine.take('/proc/self/ns/pid');
        machine.point('/proc/self/ns/pid', 'pid:[4026532000]');
      },
    ],
  ] as const) {
    const machine = machineWithDrive(t.testdir());
    t.match(await readUsage(machine), { isWhole: true });
    arrange(machine);
    t.match(await readUsage(machine), { isWhole: false }, why);
  }
});

/** As if the kernel did not let it be read, for whatever reason. */
function breakFile(machine: MadeMachine, path: string): void {
  const text = machine.text.bind(machine);
  const names = machine.names.bind(machine);
  const link = machine.link.bind(machine);
  const fault = new TargetError('platform_unsupported', `${path} cannot be read: it is too large`);
  const unless = <T>(at: string, call: () => Promise<T>): Promise<T> =>
    at === path ? Promise.reject(fault) : call();
  machine.text = (at, bytesMax) => unless(at, () => text(at, bytesMax));
  machine.names = (at) => unless(at, () => names(at));
  machine.link = (at) => unless(at, () => link(at));
}

t.test('what a stranger makes of his own files keeps nobody from looking', async (t) => {
  for (const path of ['ns/mnt', 'mountinfo', 'fd', 'fd/3', 'comm', 'cmdline']) {
    const machine = machineWithDrive(t.testdir());
    machine.addProcess(66, 'node', '/dev/nvme0n1', 'b259:0');
    machine.point('/proc/66/ns/mnt', 'mnt:[66]');
    machine.put('/proc/66/mountinfo', '');
    machine.put('/proc/66/cmdline', '');
    machine.addProcess(67, 'db', '/dev/nvme0n1', 'b259:0');
    breakFile(machine, `/proc/66/${path}`);
    t.equal((await readUsage(machine)).isWhole, /^c/.test(path), path);
    const texts = (await holders(machine)).map(({ text }) => text);
    t.match(texts.at(-1), 'nvme0n1 is open in process 67 (db)', path);
  }
});

t.test('a mount table is read to its end, whatever its size', async (t) => {
  const machine = machineWithDrive(t.testdir());
  const other = mounted('0:30', '/none', 'overlay').repeat(5000);
  machine.put('/proc/self/mountinfo', `${other}${mounted('259:1', '/data', '/dev/x')}`.trimEnd());
  const { mounts } = await readUsage(machine);
  t.strictSame(mounts, [{ number: '259:1', source: '/dev/x', point: '/data', seenBy: null }]);
});

t.test('all mount tables together have a size that is read', async (t) => {
  const machine = machineWithDrive(t.testdir());
  for (const pid of [21, 22, 23, 24, 25]) {
    machine.addProcess(pid, 'one', '/dev/null');
    machine.point(`/proc/${String(pid)}/ns/mnt`, `mnt:[${String(pid)}]`);
  }
  const text = machine.text.bind(machine);
  const asked: number[] = [];
  machine.text = async (path, bytesMax) => {
    if (!/^\/proc\/2\d\/mountinfo$/.test(path)) return text(path, bytesMax);
    asked.push(bytesMax ?? 0);
    if (!bytesMax) throw new TargetError('platform_unsupported', 'it is too large');
    return 'x'.repeat(bytesMax);
  };
  t.match(await readUsage(machine), { isWhole: false });
  t.strictSame(
    asked,
    [8, 8, 8, 8, 0].map((mebibytes) => mebibytes << 20),
  );
});

t.test('file systems that do not answer are asked twice at most', async (t) => {
  const machine = machineWithDrive(t.testdir());
  for (const [pid, target] of ['/net/a', '/net/b', '/dev/c', '/dev/d'].entries()) {
    machine.addProcess(30 + pid, 'db', target);
  }
  machine.addProcess(40, 'db', '/dev/nvme0n1', 'b259:0');
  const asked: string[] = [];
  const hung = (path: string) => {
    asked.push(path);
    const cause = new LateFault('the file system has not answered for 5 s');
    return Promise.reject(new TargetError('platform_unsupported', 'late', { cause }));
  };
  machine.deviceNumber = hung;
  t.match(await readUsage(machine), { isWhole: false });
  t.strictSame(asked, ['/proc/30/fd/3', '/proc/32/fd/3']);
});

t.test('files of others that may not be looked at are no nodes', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addProcess(30, 'fuse', '/home/a/file');
  machine.deviceNumber = () => Promise.reject(new TargetError('forbidden', 'no'));
  t.match(await readUsage(machine), { isWhole: true });
  machine.deviceNumber = () => Promise.reject(new TargetError('platform_unsupported', 'EIO'));
  t.match(await readUsage(machine), { isWhole: false });
});
