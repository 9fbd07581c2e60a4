/** Whether there is memory for the I/O buffers and the RAM disks. */

import { sizeText } from '../byte-text.js';
import type { MachineFiles } from '../device/machine-files.js';
import { cgroupLimits } from './cgroup.js';
import { TargetError } from '../errors.js';
import { type Finding, finding } from './finding.js';
import { type Patient, pinnedBytes, ramDiskBytes } from './patient.js';

/** Of Node, and of what is kept for commands and connections under load. */
const BESIDE_BYTES = 256 << 20;

export async function memoryFindings(patient: Patient): Promise<Finding[]> {
  const { files, configuration, trial } = patient;
  const name = 'memory';
  const disks = Number(ramDiskBytes(patient));
  const buffers = configuration.engine.memoryBytes;
  // Room for commands, which otherwise is taken as they come, is there at once for drives.
  const pinned = trial instanceof TargetError ? 0 : pinnedBytes(patient, trial);
  const needed = disks + Math.max(buffers, pinned) + BESIDE_BYTES;
  const { memory } = await cgroupLimits(files);
  const machine = await machineBytes(files);
  const bytes = Math.min(memory, machine);
  if (bytes === Infinity) return [finding(name, 'warning', 'how much there is cannot be seen')];
  const whose = memory < machine ? 'the control group allows' : 'the machine has';
  const first =
    pinned === 0 ? `${sizeText(buffers)} of buffers` : `${sizeText(pinned)} that drives pin`;
  const what = `${first}${disks === 0 ? '' : ` and ${sizeText(disks)} of RAM disks`}`;
  const text = `${whose} ${sizeText(bytes)} for ${what}`;
  if (bytes >= needed) return [finding(name, 'ok', text)];
  return [
    finding(
      name,
      'warning',
      `${text}: when they are full the kernel ends the daemon`,
      memory < machine
        ? `MemoryMax=${String(Math.ceil(needed / 2 ** 20))}M of the service, or lower engine.memory`
        : 'lower engine.memory, or the sizes of RAM disks',
    ),
  ];
}

async function machineBytes(files: MachineFiles): Promise<number> {
  const text = (await files.text('/proc/meminfo')) ?? '';
  const [, kibibytes] = /^MemTotal:\s+(\d+) kB$/m.exec(text) ?? [];
  return kibibytes === undefined ? Infinity : Number(kibibytes) * 1024;
}
