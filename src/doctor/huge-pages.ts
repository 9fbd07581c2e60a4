/** Huge pages for the I/O buffers: each reactor gets all of its part in them, or nothing. */

import type { MachineFiles } from '../device/machine-files.js';
import { type Finding, finding } from './finding.js';
import type { Patient } from './patient.js';

const PAGE_BYTES = 2 << 20;
const FREE_FILE = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages';

export async function hugePageFindings({ files, configuration }: Patient): Promise<Finding[]> {
  const name = 'hugepages';
  const { hugepages, memoryBytes, cores } = configuration.engine;
  if (hugepages === 'never') return [finding(name, 'unused', 'engine.hugepages is never')];
  const needed = cores.length * Math.ceil(memoryBytes / cores.length / PAGE_BYTES);
  const free = await freePages(files);
  const text = `${String(free)} of 2 MiB are free`;
  if (free >= needed) return [finding(name, 'ok', `${text}, ${String(needed)} are needed`)];
  const reason = `${text}, ${String(needed)} would be needed`;
  if (hugepages === 'auto') {
    const end = free === 0 ? 'ordinary pages are used' : 'some reactors use ordinary pages';
    return [finding(name, 'unused', `${reason}: ${end}`)];
  }
  const total = Number((await files.text('/proc/sys/vm/nr_hugepages')) ?? 0);
  const fix = `sysctl -w vm.nr_hugepages=${String(total - free + needed)}`;
  return [finding(name, 'missing', `${reason}, because engine.hugepages is required`, fix)];
}

async function freePages(files: MachineFiles): Promise<number> {
  const own = await files.text(FREE_FILE);
  if (own !== undefined) return Number(own);
  const memory = (await files.text('/proc/meminfo')) ?? '';
  if (!/^Hugepagesize:\s+2048 kB$/m.test(memory)) return 0;
  return Number(/^HugePages_Free:\s+(\d+)$/m.exec(memory)?.[1] ?? 0);
}
