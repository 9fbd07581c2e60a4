/** All that is looked at, in the order in which it matters. Nothing is started, nothing changed. */

import { cpuFindings } from './cpus.js';
import type { Finding } from './finding.js';
import { hugePageFindings } from './huge-pages.js';
import { kernelFindings } from './kernel.js';
import { limitFindings } from './limits.js';
import { memoryFindings } from './memory.js';
import type { Patient } from './patient.js';
import { portFindings } from './ports.js';
import { runtimeFindings } from './runtime.js';
import { vfioFindings } from './vfio.js';

const topics: readonly ((patient: Patient) => Promise<Finding[]>)[] = [
  runtimeFindings,
  kernelFindings,
  limitFindings,
  memoryFindings,
  hugePageFindings,
  cpuFindings,
  vfioFindings,
  portFindings,
];

export async function examine(patient: Patient): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const topic of topics) findings.push(...(await topic(patient)));
  return findings;
}

/** Whether what is configured works here. */
export function isFit(findings: readonly Finding[]): boolean {
  return findings.every(({ verdict }) => verdict !== 'missing');
}
