/**
 * A host that was let in and went bad: an admin queue and I/O queues, all from one address, under a
 * name that nobody else has. What it does then is in host-kinds.ts.
 */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { packBits } from '../../src/wire/bits.js';
import {
  AdminOpcode,
  Feature,
  NumberOfQueuesFeatureBits,
  Property,
  cntlidDynamic,
} from '../../src/wire/layout.gen.js';
import type { SubmissionQueueEntry } from '../../src/wire/layout.gen.js';
import {
  enabledConfiguration,
  makeAdmin,
  makePropertySet,
  makeSetFeatures,
} from '../host/admin-queue.js';
import { inCapsuleSgl, makeConnect } from '../host/queue.js';
import type { QueueIdentity, QueueOptions } from '../host/queue.js';
import { newName } from './hostile-kind.js';
import type { HostSize } from './hostile-kind.js';
import type { HostileLink } from './hostile-link.js';
import { capsuleOf } from './hostile-link.js';

/** Several Keep Alives in each time-out. */
const keepAliveTimeoutMs = 10_000;
const keepAliveIntervalMs = 2000;

/** A controller on `link`, enabled; null if it was refused or the connection ended. */
async function connectAdmin(
  link: HostileLink,
  identity: QueueIdentity,
  options: QueueOptions,
): Promise<number | null> {
  if (!(await link.initialize())) return null;
  const cntlid = await connectQueue(link, identity, { qid: 0, cntlid: cntlidDynamic }, options);
  const configuration = makePropertySet(Property.cc, BigInt(enabledConfiguration()));
  if (cntlid === null || (await link.command(configuration)) === null) return null;
  return cntlid;
}

async function connectQueue(
  link: HostileLink,
  identity: QueueIdentity,
  { qid, cntlid }: { readonly qid: number; readonly cntlid: number },
  options: QueueOptions,
): Promise<number | null> {
  const { sqe, payload } = makeConnect(identity, qid, cntlid, options);
  sqe.dptr = inCapsuleSgl(payload.length);
  const answer = await link.command(sqe, payload);
  return answer === null ? null : answer.dw0 % 0x10000;
}

/** How many of `wanted` I/O queues there may be. */
async function askForQueues(link: HostileLink, wanted: number): Promise<number> {
  const value = packBits(
    [NumberOfQueuesFeatureBits.nsq, wanted - 1],
    [NumberOfQueuesFeatureBits.ncq, wanted - 1],
  );
  const answer = await link.command(makeSetFeatures(Feature.numberOfQueues, value));
  return answer === null ? 0 : Math.min(wanted, (answer.dw0 % 0x10000) + 1);
}

async function keepAlive(link: HostileLink): Promise<void> {
  while (!link.isOver) {
    link.send(capsuleOf(makeAdmin(AdminOpcode.keepAlive)));
    await Promise.race([sleep(keepAliveIntervalMs), link.over]);
  }
}

/**
 * Makes `link` the admin queue of a host, and as many I/O queues beside it as there may be. The
 * host goes on with Keep Alives. Null, and `link` is over: it was refused.
 */
export async function connectBadHost(
  link: HostileLink,
  subsystemNqn: string,
  { queues, depth }: HostSize,
): Promise<HostileLink[] | null> {
  const identity = { hostNqn: newName(), hostId: randomBytes(16), subsystemNqn };
  const options = { entries: depth + 1, keepAliveTimeoutMs };
  const cntlid = await connectAdmin(link, identity, { ...options, entries: 32 });
  const granted = cntlid === null ? 0 : await askForQueues(link, queues);
  const ioLinks: HostileLink[] = [];
  for (let qid = 1; cntlid !== null && qid <= granted && !link.isOver; qid += 1) {
    const io = link.beside();
    if (!(await io.initialize())) break;
    if ((await connectQueue(io, identity, { qid, cntlid }, options)) === null) break;
    ioLinks.push(io);
  }
  if (ioLinks.length > 0 && ioLinks.length === granted && !link.isOver) {
    void keepAlive(link);
    return ioLinks;
  }
  link.destroy();
  return null;
}

/** An admin queue with `depth` entries, which needs no Keep Alive; false if it was refused. */
export async function connectBadAdmin(
  link: HostileLink,
  subsystemNqn: string,
  depth: number,
): Promise<boolean> {
  const identity = { hostNqn: newName(), hostId: randomBytes(16), subsystemNqn };
  if ((await connectAdmin(link, identity, { entries: depth + 1 })) !== null) return true;
  link.destroy();
  return false;
}

/** The capsules of `count` commands, with command identifiers of their own. */
export function capsulesOf(count: number, make: (index: number) => SubmissionQueueEntry): Buffer {
  const capsules = Array.from({ length: count }, (_, index) => {
    const sqe = make(index);
    sqe.cid = index;
    return capsuleOf(sqe);
  });
  return Buffer.concat(capsules);
}
