/** The kernel, and its io_uring, through which everything goes. */

import { TargetError } from '../errors.js';
import { cgroupLimits } from './cgroup.js';
import { type Finding, finding } from './finding.js';
import { type Patient, bdevsOf } from './patient.js';
import { readLimit } from './process-limits.js';

/** As the engine has it: addon/env/linux/linux_env.cc. */
const KERNEL_MIN = [6, 1] as const;

/** Threads of the kernel that may wait for one file and reactor, see docs/operating/disks.md. */
const WORKERS_EACH = 137;
/** Of Node, of the reactors, and of the kernel for all else. */
const TASKS_BESIDE = 128;

export async function kernelFindings(patient: Patient): Promise<Finding[]> {
  return [kernelFinding(patient), await ringFinding(patient), await taskFinding(patient)];
}

function kernelFinding({ kernelRelease }: Patient): Finding {
  const [, major = 0, minor = 0] = /^(\d+)\.(\d+)/.exec(kernelRelease)?.map(Number) ?? [];
  const [majorMin, minorMin] = KERNEL_MIN;
  const isNew = major > majorMin || (major === majorMin && minor >= minorMin);
  if (isNew) return finding('kernel', 'ok', `Linux ${kernelRelease}`);
  const least = KERNEL_MIN.join('.');
  return finding(
    'kernel',
    'missing',
    `Linux ${least} or newer is needed, this is ${kernelRelease}`,
    `boot a kernel of version ${least} or newer`,
  );
}

async function ringFinding({ files, trial }: Patient): Promise<Finding> {
  const name = 'io_uring';
  if (!(trial instanceof TargetError)) return finding(name, 'ok', 'a ring can be made');
  const disabled = Number((await files.text('/proc/sys/kernel/io_uring_disabled')) ?? 0);
  const fix = disabled === 0 ? null : 'sysctl -w kernel.io_uring_disabled=0';
  if (trial.code !== 'engine_unavailable') return finding(name, 'missing', trial.message, fix);
  if (disabled === 0) {
    return finding(name, 'warning', 'it was not tried, because the engine does not load');
  }
  return finding(
    name,
    'missing',
    `io_uring is switched off (kernel.io_uring_disabled is ${String(disabled)})`,
    fix,
  );
}

/** A file that hangs keeps threads of the kernel, which count as the user's. */
async function taskFinding(patient: Patient): Promise<Finding> {
  const { files, configuration } = patient;
  const name = 'tasks';
  const limit = Math.min(
    (await readLimit(files, 'processes')).soft,
    (await cgroupLimits(files)).tasks,
  );
  const disks = bdevsOf(patient, 'uring').length;
  const needed = disks * configuration.engine.cores.length * WORKERS_EACH + TASKS_BESIDE;
  if (limit === Infinity) return finding(name, 'ok', 'there may be any number');
  const text = limit.toLocaleString('en-US');
  if (limit >= needed) return finding(name, 'ok', `there may be ${text}`);
  const most = needed.toLocaleString('en-US');
  return finding(
    name,
    'warning',
    `there may be ${text}, but disks that hang may need ${most}, and would hold up others`,
    `TasksMax=${String(needed)} and LimitNPROC=${String(needed)} of the service`,
  );
}
