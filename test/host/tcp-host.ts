/** A host: one controller with its admin queue and as many I/O queues as are wanted. */

import { randomUUID } from 'node:crypto';
import { AdminQueue } from './admin-queue.js';
import { IoQueue } from './io-queue.js';
import type { Address } from './pdu-link.js';
import type { QueueIdentity, QueueOptions } from './queue.js';

export interface HostOptions extends QueueOptions {
  readonly hostNqn?: string;
  readonly ioQueues?: number;
  /** Entries of I/O queues. */
  readonly ioEntries?: number;
}

/** A host that nobody else is. */
export function makeIdentity(subsystemNqn: string, hostNqn?: string): QueueIdentity {
  const uuid = randomUUID();
  return {
    subsystemNqn,
    hostNqn: hostNqn ?? `nqn.2014-08.org.nvmexpress:uuid:${uuid}`,
    hostId: Buffer.from(uuid.replaceAll('-', ''), 'hex'),
  };
}

export class TcpHost {
  readonly admin: AdminQueue;
  readonly queues: readonly IoQueue[];

  private constructor(admin: AdminQueue, queues: readonly IoQueue[]) {
    this.admin = admin;
    this.queues = queues;
  }

  /** As Linux does it: Connect, enable, Identify, Number of Queues, I/O queues. */
  static async connect(
    target: Address,
    subsystemNqn: string,
    options: HostOptions = {},
  ): Promise<TcpHost> {
    const { ioQueues = 1, ioEntries = 128, hostNqn, ...rest } = options;
    const admin = await AdminQueue.connect(target, makeIdentity(subsystemNqn, hostNqn), rest);
    await admin.enable();
    const queues: IoQueue[] = [];
    if (ioQueues > 0) {
      const granted = await admin.setQueueCount(ioQueues);
      if (granted < ioQueues) throw new Error(`expected ${ioQueues} queues, got ${granted}`);
      for (let qid = 1; qid <= ioQueues; qid++) {
        queues.push(await IoQueue.connect(admin, qid, { entries: ioEntries }));
      }
    }
    return new TcpHost(admin, queues);
  }

  /** The first I/O queue. */
  get io(): IoQueue {
    const [first] = this.queues;
    if (first === undefined) throw new Error('the host has no I/O queue');
    return first;
  }

  async disconnect(): Promise<void> {
    await Promise.all(this.queues.map((queue) => queue.close()));
    await this.admin.close();
  }

  /** Gone without a word. */
  kill(): void {
    for (const queue of this.queues) queue.link.destroy();
    this.admin.link.destroy();
  }

  /** When the last connection is over. */
  async ended(): Promise<void> {
    await Promise.all([this.admin, ...this.queues].map((queue) => queue.link.closed()));
  }
}
