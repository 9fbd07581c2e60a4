/** The processors, and how much of their time there is. */

import { cgroupLimits } from './cgroup.js';
import { type Finding, finding } from './finding.js';
import type { Patient } from './patient.js';

export async function cpuFindings(patient: Patient): Promise<Finding[]> {
  return [setFinding(patient), await quotaFinding(patient)];
}

function setFinding({ cores, configuration }: Patient): Finding {
  const reactors = configuration.engine.cores;
  const text = `reactors on ${coreList(reactors)} of ${coreList(cores)}`;
  if (cores.some((core) => !reactors.includes(core))) return finding('cpus', 'ok', text);
  return finding(
    'cpus',
    'warning',
    `${text}: none is left for the admin plane, which has to share them`,
    'allow the process one more (AllowedCPUs= of the service), or lower engine.reactors',
  );
}

async function quotaFinding({ files, configuration }: Patient): Promise<Finding> {
  const name = 'cpu_time';
  const { cpus } = await cgroupLimits(files);
  const { cores, poll } = configuration.engine;
  if (cpus === Infinity) return finding(name, 'ok', 'no control group limits it');
  const text = `the control group allows ${cpus.toFixed(2)} processors' worth`;
  if (cpus >= cores.length) return finding(name, 'ok', text);
  const end =
    poll === 'busy'
      ? 'each of which takes all of one: they are stopped again and again'
      : 'which are stopped under load when it is used up';
  return finding(
    name,
    'warning',
    `${text} for ${String(cores.length)} reactors, ${end}`,
    `CPUQuota=${String((cores.length + 1) * 100)}% of the service, or lower engine.reactors`,
  );
}

/** `0-3,8` */
export function coreList(cores: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const core of [...cores].sort((left, right) => left - right)) {
    const last = parts.at(-1);
    if (last !== undefined && last[1] + 1 === core) last[1] = core;
    else parts.push([core, core]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
