/** Which CPUs this process may run on, and which of them get a reactor. */

import { readFileSync } from 'node:fs';

/**
 * `reactors: auto` takes no more cores than this: beyond, the network is the limit, not the cores.
 */
const AUTO_REACTORS_MAX = 4;

/** The CPUs in the process's affinity mask, ascending. */
export function allowedCores(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(status)?.[1] ?? '0';
  return parseCoreList(list);
}

/** The kernel's list format: `0-3,8`. */
export function parseCoreList(list: string): number[] {
  const cores: number[] = [];
  for (const part of list.trim().split(',')) {
    const [first = '', last = first] = part.split('-');
    for (let core = Number(first); core <= Number(last); core++) cores.push(core);
  }
  return cores;
}

/**
 * One core is left to the admin plane where there are several; the highest ones are taken:
 * interrupts prefer the lowest.
 */
export function autoCores(allowed: readonly number[]): number[] {
  return highestCores(allowed, Math.min(Math.max(1, allowed.length - 1), AUTO_REACTORS_MAX));
}

export function highestCores(allowed: readonly number[], count: number): number[] {
  return allowed.slice(Math.max(0, allowed.length - count));
}
