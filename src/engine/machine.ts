/** Whether an engine can run on this machine, without starting one. Thread: JavaScript's. */

import { loadAddon, targetError } from './addon.js';
import type { EngineOptions } from './engine-types.js';

export interface MachineNeeds {
  /** Descriptors, for as many connections as are asked for, and for the fewest that may be. */
  readonly openFiles: number;
  readonly openFilesLeast: number;
  /** Memory that is pinned once a device is driven by the engine itself, bytes. */
  readonly pinnedBytes: number;
  /** And for each bdev that does so: of each reactor, and of each entry of its queues there. */
  readonly driveBytes: number;
  readonly queueEntryBytes: number;
}

/** Makes a ring as reactors do, and ends it. Throws why there can be no engine. */
export function tryMachine(options: EngineOptions): MachineNeeds {
  const native = loadAddon()['tryMachine'] as (options: EngineOptions) => MachineNeeds;
  try {
    return native(options);
  } catch (thrown) {
    throw targetError(thrown, 'platform_unsupported', 'engine');
  }
}
