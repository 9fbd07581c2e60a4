/**
 * What a hostile peer does with one connection, or, if it is a host, with all of its connections:
 * each kind holds, or floods, resources of docs/internals/limits.md, which says which. A script
 * ends when the connection does.
 */

import { PduType, discoveryNqn } from '../../src/wire/layout.gen.js';
import { makeIcReq } from '../host/pdu.js';
import { transportSgl } from '../host/queue.js';
import { hostKinds } from './host-kinds.js';
import { httpKinds } from './http-kinds.js';
import { drip, newName } from './hostile-kind.js';
import type { HostileKind } from './hostile-kind.js';
import type { HostileLink } from './hostile-link.js';
import {
  capsuleOf,
  connectParts,
  discoveryLog,
  propertyGet,
  propertySetCc,
} from './hostile-link.js';

const mebibyte = 2 ** 20;

// A few more than a target lets in of each.
const strangers = 1100;
const discoveryControllers = 600;
const ioControllers = 3800;

/** A discovery controller, enabled. */
async function discovery(link: HostileLink): Promise<boolean> {
  if (!(await link.initialize()) || !(await link.connect(discoveryNqn, newName()))) return false;
  link.send(propertySetCc(1));
  return (await link.next()) !== null;
}

/** Keeps `depth` of `make` outstanding. */
async function flood(link: HostileLink, depth: number, make: () => Buffer): Promise<void> {
  link.onPdu = ({ type }) => {
    if (type === PduType.capsuleResp) link.send(make());
  };
  for (let count = 0; count < depth; count += 1) link.send(make());
  await link.over;
}

export const hostileKinds: Readonly<Record<string, HostileKind>> = {
  silent: {
    help: 'opens connections and says nothing',
    scripts: strangers,
    run: (link) => link.over,
  },
  drip: {
    help: 'sends an ICReq, one byte a second',
    scripts: strangers,
    run: (link) => drip(link, makeIcReq()),
  },
  'connect-half': {
    help: 'sends all of a Connect but its last byte',
    scripts: strangers,
    async run(link) {
      if (!(await link.initialize())) return;
      const { sqe, payload } = connectParts(discoveryNqn, newName());
      const capsule = capsuleOf(sqe, payload);
      link.send(capsule.subarray(0, capsule.length - 1));
      await link.over;
    },
  },
  'connect-r2t': {
    help: 'wants to send a Connect of 1 MiB, and then one of 1,024 bytes that never come',
    scripts: strangers,
    async run(link) {
      if (!(await link.initialize())) return;
      for (const bytes of [mebibyte, 1024]) {
        const { sqe } = connectParts(discoveryNqn, newName());
        sqe.dptr = transportSgl(bytes);
        link.send(capsuleOf(sqe));
        if ((await link.next()) === null) return;
      }
      await link.over;
    },
  },
  discovery: {
    help: 'makes discovery controllers without a keep-alive time, and leaves them',
    scripts: discoveryControllers,
    async run(link) {
      if (await discovery(link)) await link.over;
      else link.destroy();
    },
  },
  'log-unread': {
    help: 'asks for the discovery log a thousand times, 1 MiB each, and reads nothing',
    scripts: discoveryControllers,
    async run(link) {
      if (!(await discovery(link))) {
        link.destroy();
        return;
      }
      link.stopReading();
      for (let count = 0; count < 1000; count += 1) link.send(discoveryLog(mebibyte));
      await link.over;
    },
  },
  'log-small': {
    help: 'reads 16 bytes of the discovery log, again and again',
    scripts: discoveryControllers,
    async run(link) {
      if (await discovery(link)) await flood(link, 32, () => discoveryLog(16));
      else link.destroy();
    },
  },
  'property-get': {
    help: 'reads CAP, again and again',
    scripts: discoveryControllers,
    async run(link) {
      if (await discovery(link)) await flood(link, 32, propertyGet);
      else link.destroy();
    },
  },
  'bad-cc': {
    help: 'writes CC with what cannot be and resets, again and again',
    scripts: discoveryControllers,
    async run(link) {
      if (!(await discovery(link))) {
        link.destroy();
        return;
      }
      let value = 0;
      await flood(link, 2, () => {
        // MPS 15, then disabled.
        value = value === 0 ? 0x0781 : 0;
        return propertySetCc(value);
      });
    },
  },
  controllers: {
    help: 'makes I/O controllers under ever new names, and leaves them',
    scripts: ioControllers,
    needsSubsystem: true,
    async run(link, subsystemNqn) {
      if ((await link.initialize()) && (await link.connect(subsystemNqn, newName()))) {
        await link.over;
      } else link.destroy();
    },
  },
  names: {
    help: 'makes I/O controllers under ever new names, and goes',
    scripts: strangers,
    goes: true,
    needsSubsystem: true,
    async run(link, subsystemNqn) {
      if (await link.initialize()) await link.connect(subsystemNqn, newName());
      link.destroy();
    },
  },
  ...hostKinds,
  ...httpKinds,
};
