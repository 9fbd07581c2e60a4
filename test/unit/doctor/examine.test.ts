import t from 'tap';
import { coreList } from '../../../src/doctor/cpus.js';
import { examine, isFit } from '../../../src/doctor/examine.js';
import type { Finding } from '../../../src/doctor/finding.js';
import { TargetError } from '../../../src/errors.js';
import { ADDRESS } from '../device/made-machine.js';
import { type MadePatient, patient } from './patient.js';

async function found(from: MadePatient, name: string): Promise<Finding | undefined> {
  return (await examine(from)).find((finding) => finding.name === name);
}

const NVME = `bdevs: [{ name: ssd0, kind: nvme, address: "${ADDRESS}" }]\n`;

t.test('a machine on which everything is well is fit', async (t) => {
  const findings = await examine(patient(t.testdir()));
  t.ok(isFit(findings), JSON.stringify(findings));
  t.strictSame(
    findings.map(({ name, verdict }) => `${name} ${verdict}`),
    [
      'node ok',
      'engine ok',
      'kernel ok',
      'io_uring ok',
      'tasks ok',
      'locked_memory unused',
      'open_files ok',
      'memory ok',
      'hugepages unused',
      'cpus ok',
      'cpu_time ok',
      'iommu unused',
      'vfio unused',
      'nvme_devices unused',
      'port 127.0.0.1:9920 ok',
      'port 127.0.0.1:8009 ok',
    ],
  );
});

t.test('a machine that shows nothing at all is looked at to the end', async (t) => {
  const from = patient(t.testdir());
  from.files.take('/sys');
  from.files.take('/proc');
  const findings = await examine(from);
  t.equal(findings.length, 16);
  t.match(
    findings.find(({ name }) => name === 'nvme_devices'),
    { verdict: 'unused', reason: /^sysfs is not mounted at \/sys/ },
  );
});

t.test('a version that is too old is missing', async (t) => {
  const nodes = { 'v18.20.0': 'missing', 'v20.0.0': 'ok', 'v24.1.0': 'ok' };
  for (const [nodeVersion, verdict] of Object.entries(nodes)) {
    t.match(await found(patient(t.testdir(), { nodeVersion }), 'node'), { verdict });
  }
  const kernels = { '5.19.0': 'missing', '6.0.19': 'missing', '6.1.0-9': 'ok', '7.0': 'ok' };
  for (const [kernelRelease, verdict] of Object.entries(kernels)) {
    t.match(await found(patient(t.testdir(), { kernelRelease }), 'kernel'), { verdict });
  }
});

t.test('an engine that does not load, and one that cannot run, are told apart', async (t) => {
  const notBuilt = new TargetError('engine_unavailable', 'the native engine is not built');
  const unloaded = patient(t.testdir(), { trial: notBuilt });
  t.match(await found(unloaded, 'engine'), {
    verdict: 'missing',
    reason: 'the native engine is not built',
    fix: 'npm run setup',
  });
  t.match(await found(unloaded, 'io_uring'), { verdict: 'warning' });
  unloaded.files.put('/proc/sys/kernel/io_uring_disabled', '2\n');
  const off = 'sysctl -w kernel.io_uring_disabled=0';
  t.match(await found(unloaded, 'io_uring'), { verdict: 'missing', fix: off });
  const trial = new TargetError('forbidden', 'io_uring is switched off: …');
  const forbidden = patient(t.testdir(), { trial });
  t.match(await found(forbidden, 'engine'), { verdict: 'ok' });
  t.match(await found(forbidden, 'io_uring'), {
    ...{ verdict: 'missing', reason: 'io_uring is switched off: …', fix: null },
  });
  forbidden.files.put('/proc/sys/kernel/io_uring_disabled', '1\n');
  t.match(await found(forbidden, 'io_uring'), { fix: off });
});

t.test('disks that hang need threads of the kernel', async (t) => {
  const yaml = 'engine: { reactors: 2 }\nbdevs: [{ name: a, kind: uring, path: a.img }]\n';
  const from = patient(t.testdir(), {}, yaml);
  t.match(await found(from, 'tasks'), { verdict: 'ok', reason: 'there may be any number' });
  from.files.put('/proc/self/cgroup', '0::/user.slice/x.service\n');
  const mount = '31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n';
  from.files.put('/proc/self/mountinfo', mount);
  from.files.put('/sys/fs/cgroup/user.slice/pids.max', '401\n');
  t.match(await found(from, 'tasks'), {
    verdict: 'warning',
    reason: 'there may be 401, but disks that hang may need 402, and would hold up others',
    fix: 'TasksMax=402 and LimitNPROC=402 of the service',
  });
  from.files.put('/sys/fs/cgroup/user.slice/pids.max', '402\n');
  from.files.put('/sys/fs/cgroup/user.slice/x.service/pids.max', 'max\n');
  t.match(await found(from, 'tasks'), { verdict: 'ok', reason: 'there may be 402' });
});

t.test('locked memory counts once devices are driven by the engine', async (t) => {
  const from = patient(t.testdir(), {}, NVME);
  t.match(await found(from, 'locked_memory'), {
    verdict: 'missing',
    reason: '8.00 MiB may be locked, but bdevs of kind nvme need more than 1.00 GiB',
    fix: 'LimitMEMLOCK=infinity of the service, or ulimit -l unlimited',
  });
  const larger = 'Max locked memory         2147483648           unlimited            bytes\n';
  from.files.put('/proc/self/limits', larger);
  t.match(await found(from, 'locked_memory'), { verdict: 'ok' });
  from.files.put('/proc/self/limits', 'Max locked memory unlimited unlimited bytes\n');
  t.match(await found(from, 'locked_memory'), { reason: 'any amount may be locked' });
  const root = patient(t.testdir(), {}, NVME);
  root.files.put('/proc/self/status', 'CapEff:\t000001ffffffffff\n');
  t.match(await found(root, 'locked_memory'), { verdict: 'ok' });
  const trial = new TargetError('engine_unavailable', 'no');
  const broken = patient(t.testdir(), { trial }, NVME);
  t.match(await found(broken, 'locked_memory'), { verdict: 'warning' });
  t.match(await found(broken, 'open_files'), {
    verdict: 'warning',
    reason: 'there may be 524,288; how many are needed is not known without the engine',
  });
});

t.test('each drive pins more, on each reactor', async (t) => {
  const drive = (name: string, more = '') =>
    `{ name: ssd${name}, kind: nvme, address: "0000:0${name}:00.0"${more} }`;
  const yaml = `engine: { reactors: 2 }\nbdevs: [${drive('1', ', queue_entries: 256')}, ${drive('2', ', queue_entries: 512')}]\n`;
  const from = patient(t.testdir(), {}, yaml);
  const needed = (1 << 30) + 2 * ((1 << 20) + 256 * 4096 + (1 << 20) + 512 * 4096);
  const limit = (bytes: number) => `Max locked memory ${String(bytes)} unlimited bytes\n`;
  from.files.put('/proc/self/limits', limit(needed));
  t.match(await found(from, 'locked_memory'), { verdict: 'missing' });
  from.files.put('/proc/self/limits', limit(needed + 1));
  t.match(await found(from, 'locked_memory'), { verdict: 'ok' });
  const machine = (bytes: number) => `MemTotal: ${String(bytes / 1024)} kB\n`;
  from.files.put('/proc/meminfo', machine(needed + (256 << 20)));
  t.match(await found(from, 'memory'), { verdict: 'ok', reason: / that drives pin$/ });
  from.files.put('/proc/meminfo', machine(needed + (256 << 20) - 1024));
  t.match(await found(from, 'memory'), { verdict: 'warning' });
});

t.test('open files are as many as the connections need, or fewer, or too few', async (t) => {
  const limits = { '5120': 'ok', '5119': 'warning', '544': 'warning', '543': 'missing' };
  for (const [limit, verdict] of Object.entries(limits)) {
    const from = patient(t.testdir());
    from.files.put('/proc/self/limits', `Max open files            256    ${limit}   files\n`);
    t.match(await found(from, 'open_files'), { verdict }, limit);
  }
  const from = patient(t.testdir());
  from.files.put('/proc/self/limits', 'Max open files            256    600   files\n');
  t.match(await found(from, 'open_files'), {
    reason: 'there may be 600, but 4,096 connections need 5,120; there will be fewer connections',
    fix: 'LimitNOFILE=5120 of the service, or ulimit -Hn 5120',
  });
});

t.test('memory is for the buffers and the RAM disks', async (t) => {
  const disks =
    'bdevs: [{ name: a, kind: malloc, size: 15GiB }, { name: b, kind: malloc, size: 1GiB }]\n';
  const from = patient(t.testdir(), {}, disks);
  t.match(await found(from, 'memory'), {
    verdict: 'warning',
    reason:
      'the machine has 16.0 GiB for 256 MiB of buffers and 16.0 GiB of RAM disks: when they are full the kernel ends the daemon',
    fix: 'lower engine.memory, or the sizes of RAM disks',
  });
  const small = patient(t.testdir());
  small.files.put('/proc/self/cgroup', '5:memory,cpu:/a/b\n3:pids:/other\n');
  small.files.put(
    '/proc/self/mountinfo',
    [
      '33 31 0:30 /a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
      '34 31 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu',
      '35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
      '',
    ].join('\n'),
  );
  small.files.put('/sys/fs/cgroup/memory/b/memory.limit_in_bytes', '9223372036854771712\n');
  t.match(await found(small, 'memory'), { verdict: 'ok', reason: /^the machine has 16.0 GiB/ });
  small.files.put('/sys/fs/cgroup/memory/memory.limit_in_bytes', '402653184\n');
  t.match(await found(small, 'memory'), {
    verdict: 'warning',
    reason: /^the control group allows 384 MiB for 256 MiB of buffers: /,
    fix: 'MemoryMax=512M of the service, or lower engine.memory',
  });
  small.files.put('/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us', '150000\n');
  small.files.put('/sys/fs/cgroup/cpu/a/cpu.cfs_period_us', '100000\n');
  t.match(await found(small, 'cpu_time'), {
    verdict: 'warning',
    reason: /^the control group allows 1.50 processors' worth for 3 reactors, which are stopped/,
    fix: 'CPUQuota=400% of the service, or lower engine.reactors',
  });
});

t.test('huge pages are taken, done without, or required', async (t) => {
  const free = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages';
  const auto = patient(t.testdir(), {}, 'engine: { reactors: 3 }\n');
  t.match(await found(auto, 'hugepages'), {
    verdict: 'unused',
    reason: '0 of 2 MiB are free, 129 would be needed: ordinary pages are used',
  });
  auto.files.put(free, '50\n');
  t.match(await found(auto, 'hugepages'), { reason: /: some reactors use ordinary pages$/ });
  auto.files.put(free, '129\n');
  t.match(await found(auto, 'hugepages'), { verdict: 'ok' });
  const never = patient(t.testdir(), {}, 'engine: { hugepages: never }\n');
  t.match(await found(never, 'hugepages'), { verdict: 'unused' });
  const required = patient(t.testdir(), {}, 'engine: { hugepages: required, reactors: 1 }\n');
  required.files.put('/proc/sys/vm/nr_hugepages', '30\n');
  required.files.put('/proc/meminfo', 'HugePages_Free:       10\nHugepagesize:       2048 kB\n');
  t.match(await found(required, 'hugepages'), {
    verdict: 'missing',
    fix: 'sysctl -w vm.nr_hugepages=148',
  });
});

t.test('processors are allowed, and there is time of them', async (t) => {
  const all = patient(t.testdir(), {}, 'engine: { reactors: 4 }\n');
  t.match(await found(all, 'cpus'), {
    verdict: 'warning',
    reason: 'reactors on 0-3 of 0-3: none is left for the admin plane, which has to share them',
  });
  const busy = patient(t.testdir(), {}, 'engine: { reactors: 2, poll: busy }\n');
  busy.files.put('/proc/self/cgroup', '0::/\n');
  busy.files.put('/proc/self/mountinfo', '31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n');
  busy.files.put('/sys/fs/cgroup/cpu.max', 'max 100000\n');
  t.match(await found(busy, 'cpu_time'), { verdict: 'ok' });
  busy.files.put('/sys/fs/cgroup/cpu.max', '190000 100000\n');
  t.match(await found(busy, 'cpu_time'), {
    reason: /^the control group allows 1.90 processors' worth for 2 reactors, each of which takes/,
  });
  busy.files.put('/sys/fs/cgroup/cpu.max', '200000 100000\n');
  t.match(await found(busy, 'cpu_time'), { verdict: 'ok' });
  t.equal(coreList([8, 0, 2, 1]), '0-2,8');
});
