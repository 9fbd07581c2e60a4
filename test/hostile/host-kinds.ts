/**
 * What a host does that was let in and went bad. It is cut off when it lets a deadline pass, and
 * comes back.
 */

import {
  AdminOpcode,
  CapsuleCmdHeader,
  Cns,
  IoOpcode,
  LogPage,
  PduType,
  R2t,
} from '../../src/wire/layout.gen.js';
import { makeAdmin, makeGetLogPage, makeIdentify } from '../host/admin-queue.js';
import { makeRange } from '../host/io-queue.js';
import { makeH2cData, noDigests } from '../host/pdu.js';
import type { Pdu } from '../host/pdu.js';
import { transportSgl } from '../host/queue.js';
import { capsulesOf, connectBadAdmin, connectBadHost } from './bad-host.js';
import { drip, wholeHost } from './hostile-kind.js';
import type { HostSize, HostileKind } from './hostile-kind.js';
import type { HostileLink } from './hostile-link.js';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
/** Of the namespaces. */
const blockBytes = 512;
const identifyBytes = 4 * kibibyte;
/** A large buffer each. */
const stalledBytes = 128 * kibibyte;
/** With nine connections each they are half of what a target takes. */
const hosts = 200;
/** More than a controller takes, so that some are refused. */
const eventRequests = 8;

/** A queue full of reads or writes from block 0 on, whose data do not travel in their capsules. */
function transfers(
  opcode: number,
  { depth, namespaces }: HostSize,
  bytesOf: (index: number) => number,
): Buffer {
  return capsulesOf(depth, (index) => {
    const bytes = bytesOf(index);
    const range = { slba: 0n, blocks: bytes / blockBytes };
    const sqe = makeRange(opcode, range, { nsid: 1 + (index % namespaces) });
    sqe.dptr = transportSgl(bytes);
    return sqe;
  });
}

/** Writes of `bytes` whose R2Ts are not answered. */
async function owe(link: HostileLink, nqn: string, size: HostSize, bytes: number): Promise<void> {
  const queues = await connectBadHost(link, nqn, size);
  const capsules = transfers(IoOpcode.write, size, () => bytes);
  for (const queue of queues ?? []) queue.send(capsules);
  await link.over;
}

/** Reads whose answers are not taken; the halves of a queue may be of different sizes. */
async function leaveUnread(
  link: HostileLink,
  nqn: string,
  size: HostSize,
  [first, second]: readonly [number, number],
): Promise<void> {
  const queues = await connectBadHost(link, nqn, size);
  const half = size.depth / 2;
  const capsules = transfers(IoOpcode.read, size, (index) => (index < half ? first : second));
  for (const queue of queues ?? []) {
    queue.stopReading();
    queue.send(capsules);
  }
  await link.over;
}

/** Admin commands with large answers, which are not taken. */
async function leaveEvents(link: HostileLink, nqn: string, { depth }: HostSize): Promise<void> {
  if (!(await connectBadAdmin(link, nqn, depth))) return;
  link.stopReading();
  const capsules = capsulesOf(depth, (index) => {
    if (index < eventRequests) return makeAdmin(AdminOpcode.asynchronousEventRequest);
    const isLog = index % 2 === 0;
    const sqe = isLog
      ? makeGetLogPage({ lid: LogPage.errorInformation, bytes: mebibyte })
      : makeIdentify({ cns: Cns.controller });
    sqe.dptr = transportSgl(isLog ? mebibyte : identifyBytes);
    return sqe;
  });
  link.send(capsules);
  await link.over;
}

/** Answers an R2T with half of a PDU, and then with one byte a second. */
async function stallIn(queue: HostileLink, { header }: Pdu): Promise<void> {
  const { cccid, ttag, r2to, r2tl } = new R2t(header);
  const fields = { cccid, ttag, datao: r2to, last: true };
  const pdu = makeH2cData(fields, noDigests, Buffer.alloc(r2tl, 0xee));
  const half = Math.floor(pdu.length / 2);
  queue.send(pdu.subarray(0, half));
  await drip(queue, pdu.subarray(half));
}

/**
 * Fills its queues with writes. Of every two queues one stops in the middle of the first data that
 * it is asked for, and one in the middle of a command.
 */
async function stall(link: HostileLink, nqn: string, size: HostSize): Promise<void> {
  const queues = await connectBadHost(link, nqn, size);
  const capsules = transfers(IoOpcode.write, size, () => stalledBytes);
  const end = capsules.length - CapsuleCmdHeader.size / 2;
  for (const [index, queue] of (queues ?? []).entries()) {
    if (index % 2 === 0) {
      let stalled = false;
      queue.onPdu = (pdu) => {
        if (stalled || pdu.type !== PduType.r2t) return;
        stalled = true;
        void stallIn(queue, pdu);
      };
      queue.send(capsules);
    } else {
      queue.send(capsules.subarray(0, end));
      void drip(queue, capsules.subarray(end));
    }
  }
  await link.over;
}

function hostKind(
  help: string,
  run: (link: HostileLink, nqn: string, size: HostSize) => Promise<void>,
): HostileKind {
  return {
    help,
    scripts: hosts,
    needsSubsystem: true,
    run: (link, nqn, size = wholeHost) => run(link, nqn, size),
  };
}

export const hostKinds: Readonly<Record<string, HostileKind>> = {
  'owe-large': hostKind('writes of 1 MiB, whose data never come', (link, nqn, size) =>
    owe(link, nqn, size, mebibyte),
  ),
  'owe-small': hostKind('writes of 4 KiB, whose data never come', (link, nqn, size) =>
    owe(link, nqn, size, 4 * kibibyte),
  ),
  'unread-large': hostKind('reads of 1 MiB, and takes no answer', (link, nqn, size) =>
    leaveUnread(link, nqn, size, [mebibyte, mebibyte]),
  ),
  'unread-small': hostKind('reads of 4 and 8 KiB, and takes no answer', (link, nqn, size) =>
    leaveUnread(link, nqn, size, [4 * kibibyte, 8 * kibibyte]),
  ),
  events: hostKind('waits for events, identifies and reads logs, and takes no answer', leaveEvents),
  'stall-stream': hostKind('fills its queues, and stops in the middle of a PDU', stall),
};
