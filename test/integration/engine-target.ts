/**
 * Engine and target in the test's own process, where a test wants to see their events or choose
 * their limits.
 */

import type { Engine, EngineEvent, EngineOptions } from '../../src/engine/engine-types.js';
import { startEngine } from '../../src/engine/engine.js';
import type { SubsystemConfiguration } from '../../src/subsystem/configuration.js';
import { Target } from '../../src/subsystem/target.js';
import type { Address } from '../host/pdu-link.js';
import type { Teardown } from './daemon.js';
import { subsystemNqn } from './daemon.js';

export interface EngineTarget {
  readonly engine: Engine;
  readonly target: Target;
  readonly address: Address;
  /** Every event that the engine gave to JavaScript. */
  readonly events: EngineEvent[];
  /** Sum over reactors of one word of the transport's counters. */
  readonly transport: (word: string) => number;
}

export const engineOptions: EngineOptions = {
  cores: [0, 1],
  poll: 'adaptive',
  idleAfterNs: 50_000,
  memoryBytes: 64 * 2 ** 20,
  hugepages: 'never',
  connectionsMax: 256,
  connectTimeoutMs: 10_000,
  pduTimeoutMs: 30_000,
};

/** One RAM disk for any host, or for those that `overrides` allow. */
export async function startEngineTarget(
  t: Teardown,
  options: Partial<EngineOptions> = {},
  overrides: Partial<SubsystemConfiguration> = {},
): Promise<EngineTarget> {
  const events: EngineEvent[] = [];
  const sink: { target?: Target } = {};
  const engine = await startEngine({ ...engineOptions, ...options }, (batch) => {
    events.push(...batch);
    sink.target?.handleEvents(batch);
  });
  t.teardown(() => engine.stop());
  const target = new Target(engine, { version: '0.0.0' });
  sink.target = target;
  await target.apply({
    discoveryListeners: [],
    bdevs: [{ name: 'ram0', kind: 'malloc', size: 64n * 2n ** 20n, block_size: 512 }],
    subsystems: [
      {
        nqn: subsystemNqn,
        model: 'capsuled',
        allowAnyHost: true,
        hosts: [],
        cntlidRange: [1, 65519],
        listeners: [{ address: '127.0.0.1', port: 0 }],
        namespaces: [{ nsid: 1, bdev: 'ram0', readOnly: false }],
        ...overrides,
      },
    ],
  });
  const [listener] = target.listeners;
  if (listener === undefined) throw new Error('the target has no listener');
  const transport = (word: string): number => {
    const index = engine.facts.statNames.transport.indexOf(word);
    if (index < 0) throw new Error(`there is no counter ${word}`);
    return engine.transportStats().reduce((sum, words) => sum + Number(words[index]!), 0);
  };
  return { engine, target, address: listener.actual, events, transport };
}
