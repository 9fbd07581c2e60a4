/** The views of a target with one subsystem, one host and one namespace. */

import type { AdminSources } from '../../../src/admin/sources.js';
import { TargetError } from '../../../src/errors.js';
import { soundHealth } from '../../../src/subsystem/bdev-condition.js';
import { emptyConfiguration } from '../../../src/subsystem/configuration.js';
import { TargetCounters } from '../../../src/subsystem/counters.js';
import type { ControllerView, SubsystemView } from '../../../src/subsystem/views.js';
import type { ObservedTarget } from '../../../src/metrics/families.js';
import { description } from '../bdev/description.js';

export const NQN = 'nqn.2026-11.com.example:a';
export const HOST = 'nqn.2014-08.org.nvmexpress:uuid:6ba7b810-9dad-41d1-80b4-00c04fd430c8';

export function subsystem(changes: Partial<SubsystemView> = {}): SubsystemView {
  return {
    nqn: NQN,
    serial: 'S1',
    model: 'capsuled',
    allowAnyHost: false,
    hosts: [HOST],
    cntlidRange: [1, 65519],
    table: 1,
    listeners: [
      {
        configured: { address: '127.0.0.1', port: 0 },
        actual: { address: '127.0.0.1', port: 4420 },
      },
    ],
    namespaces: [
      {
        nsid: 1,
        bdev: 'ram0',
        readOnly: false,
        uuid: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
        nguid: '6ba7b8109dad41d180b400c04fd430c8',
        eui64: null,
        blockSize: 512,
        blockCount: 2048n,
      },
    ],
    missingNamespaces: [],
    controllerCount: 1,
    ...changes,
  };
}

export function controller(handle: number, hostNqn = HOST): ControllerView {
  return {
    controller: handle,
    cntlid: handle,
    kind: 'io',
    subsystem: NQN,
    hostNqn,
    hostId: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
    state: 'ready',
    keepAliveTimeoutMs: 5000,
    qids: [0, 1],
    connectedAt: new Date(0),
  };
}

const parameters = { name: 'ram0', kind: 'malloc', size: 1n << 20n, block_size: 512 };

export function fakeTarget(): { -readonly [Key in keyof FakeTarget]: FakeTarget[Key] } {
  return {
    acknowledgeBdev: async (name) => {
      if (name !== parameters.name) throw new TargetError('not_found', `there is no bdev ${name}`);
    },
    configuration: { ...emptyConfiguration, bdevs: [parameters] },
    counters: new TargetCounters(),
    peerLimits: [],
    unavailable: { bdevs: [], endpoints: [] },
    drains: [],
    subsystems: [subsystem()],
    listeners: [
      {
        listener: 1,
        configured: { address: '127.0.0.1', port: 0 },
        actual: { address: '127.0.0.1', port: 4420 },
        portId: 1,
        discovery: false,
        subsystems: [NQN],
        connectionCount: 2,
      },
    ],
    controllers: [controller(1)],
    connections: [0, 1].map((qid) => ({
      connection: qid + 1,
      listener: 1,
      reactor: 0,
      local: { address: '127.0.0.1', port: 4420 },
      peer: { address: '127.0.0.1', port: 40_000 + qid },
      openedAt: new Date(0),
      subsystem: NQN,
      hostNqn: HOST,
      cntlid: 1,
      qid,
    })),
    bdevs: [
      {
        ...description(parameters),
        engineName: 'ram0',
        parameters,
        states: ['ok'],
        health: soundHealth,
        drive: null,
        paths: [],
        identity: {
          uuid: '0b6f6f2e-9f0e-4c0c-8a51-6d0f9d5a7a11',
          source: 'random',
          detail: 'in memory',
        },
        namespace: { subsystem: NQN, nsid: 1 },
      },
    ],
  };
}

type FakeTarget = ObservedTarget & AdminSources['target'];
