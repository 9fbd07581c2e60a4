/** What this process may use, as /proc/self/limits has it. */

import type { MachineFiles } from '../device/machine-files.js';

const TITLES = {
  lockedMemory: 'Max locked memory',
  openFiles: 'Max open files',
  processes: 'Max processes',
} as const;

export interface Limit {
  /** What holds now; Infinity: there is none. */
  readonly soft: number;
  /** How far the process may raise it by itself. */
  readonly hard: number;
}

/** Without limits where /proc does not say. */
export async function readLimit(files: MachineFiles, name: keyof typeof TITLES): Promise<Limit> {
  const text = (await files.text('/proc/self/limits')) ?? '';
  const line = text.split('\n').find((one) => one.startsWith(TITLES[name])) ?? '';
  const [soft, hard] = line.slice(TITLES[name].length).trim().split(/\s+/);
  return { soft: limitOf(soft), hard: limitOf(hard) };
}

function limitOf(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : Infinity;
}
