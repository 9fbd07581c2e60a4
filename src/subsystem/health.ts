/**
 * What the SMART log and its neighbours say about an engine that has no temperature and no media of
 * its own.
 */

import type { Engine } from '../engine/engine-types.js';
import type { Subsystem } from './subsystem.js';

/**
 * WCTEMP and CCTEMP, which must not be 0. Hosts compare them with the temperature of the hottest of
 * a subsystem's drives, if there are any: what is usual for drives, whatever these say of
 * themselves.
 */
export const warningTemperatureKelvin = 343;
export const criticalTemperatureKelvin = 353;

/** What was read and written, since the namespace came. */
export interface Usage {
  readonly readOperations: bigint;
  readonly readBytes: bigint;
  readonly writeOperations: bigint;
  readonly writeBytes: bigint;
  /** Sum of all operations' times: more than wall time when they overlap. */
  readonly operationNs: bigint;
}

export const noUsage: Usage = {
  readOperations: 0n,
  readBytes: 0n,
  writeOperations: 0n,
  writeBytes: 0n,
  operationNs: 0n,
};

export function addedUsage(a: Usage, b: Usage): Usage {
  return {
    readOperations: a.readOperations + b.readOperations,
    readBytes: a.readBytes + b.readBytes,
    writeOperations: a.writeOperations + b.writeOperations,
    writeBytes: a.writeBytes + b.writeBytes,
    operationNs: a.operationNs + b.operationNs,
  };
}

/** From the words that the reactors count in, summed over reactors. */
export function namespaceUsage(engine: Engine, table: number, nsid: number): Usage {
  const { statNames } = engine.facts;
  const arrays = engine.namespaceStats(table, nsid);
  const words = statNames.namespaceOperationWords;
  const stride = words.length + statNames.latencyBoundsNs.length + 1;
  const sum = (operations: readonly string[], word: string): bigint => {
    const wordIndex = words.indexOf(word);
    if (wordIndex < 0) return 0n;
    let total = 0n;
    for (const operation of operations) {
      const index = statNames.namespaceOperations.indexOf(operation);
      if (index < 0) continue;
      for (const array of arrays) total += array[index * stride + wordIndex] ?? 0n;
    }
    return total;
  };
  // The specification counts what Compare reads as read.
  const reads = ['read', 'compare'];
  const writes = ['write'];
  return {
    readOperations: sum(reads, 'operations'),
    readBytes: sum(reads, 'bytes'),
    writeOperations: sum(writes, 'operations'),
    writeBytes: sum(writes, 'bytes'),
    operationNs: sum(statNames.namespaceOperations, 'latency_ns'),
  };
}

/** Of all namespaces, those that are gone included: the counters of a controller never go back. */
export function subsystemUsage(engine: Engine, subsystem: Subsystem): Usage {
  let usage = subsystem.retiredUsage;
  for (const nsid of subsystem.namespaces.keys()) {
    usage = addedUsage(usage, namespaceUsage(engine, subsystem.table, nsid));
  }
  return usage;
}
