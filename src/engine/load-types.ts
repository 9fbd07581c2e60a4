/** What the load generator of the engine takes and answers (addon/perf). */

import type { BdevParameters } from './engine-types.js';

/** One size of I/O, and how often it comes relative to the others. */
export interface LoadSize {
  readonly bytes: number;
  readonly weight: number;
}

/** A namespace of a remote subsystem, over NVMe/TCP; each worker is a host of its own. */
export interface TcpLoadTarget {
  readonly type: 'tcp';
  /** IPv4 or IPv6. */
  readonly address: string;
  readonly port: number;
  readonly subnqn: string;
  readonly nsid: number;
  readonly hostnqn: string;
  /** 16 bytes. */
  readonly hostid: Uint8Array;
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
}

/** A namespace of a local controller, by its driver alone. */
export interface PcieLoadTarget {
  readonly type: 'pcie';
  /** `0000:01:00.0` */
  readonly address: string;
  readonly nsid: number;
}

/** A bdev in this process. */
export interface BdevLoadTarget {
  readonly type: 'bdev';
  /** The load is on the last; each may stand on the one before it. */
  readonly bdevs: readonly BdevParameters[];
}

export type LoadTarget = TcpLoadTarget | PcieLoadTarget | BdevLoadTarget;

export interface LoadOptions {
  readonly target: LoadTarget;
  /** I/O queues, all workers together. */
  readonly qpairs: number;
  /** Of each queue, 1 to 1023. */
  readonly queueDepth: number;
  readonly pattern: 'sequential' | 'random';
  /** 0 to 100. */
  readonly readPercent: number;
  readonly sizes: readonly LoadSize[];
  readonly seed: bigint;
  /** 0: the whole namespace; when verifying, its first GiB. */
  readonly regionBytes: bigint;
  readonly offsetBytes: bigint;
  readonly warmUpNs: number;
  readonly durationNs: number;
  /** 0: the time alone ends the run. */
  readonly operationsMax: number;
  /** 0: as fast as it goes. */
  readonly rateIops: number;
  readonly verify: boolean;
  /** Over TCP; 0: never. */
  readonly reconnectNs: number;
  /** One worker each; -1: not pinned. */
  readonly cores: readonly number[];
  readonly poll: 'adaptive' | 'busy' | 'interrupt';
}

export interface LoadLatency {
  readonly minNs: number;
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly p9999Ns: number;
  readonly maxNs: number;
}

export interface LoadOperations {
  readonly operations: number;
  readonly bytes: number;
  readonly errors: number;
  readonly latency: LoadLatency;
}

export interface LoadReport {
  readonly read: LoadOperations;
  readonly write: LoadOperations;
  readonly total: LoadOperations;
  /** The measured time. */
  readonly elapsedNs: number;
  /** How long the workers' threads had work in it. */
  readonly busyNs: number;
  readonly reconnects: number;
  /** 0, like the next: the target was never ready. */
  readonly blockBytes: number;
  readonly blockCount: bigint;
  /** Of the controller, by its own account; empty: the target is a bdev. */
  readonly model: string;
  readonly serial: string;
  readonly firmware: string;
  /** As granted. */
  readonly qpairs: number;
  /** Why the run could not begin or ended early; empty: it went through. */
  readonly failure: string;
  /** The status field of the first I/O that failed, phase tag 0; 0: none. */
  readonly firstErrorStatus: number;
  readonly verify: {
    readonly blocksChecked: number;
    readonly blocksUnchecked: number;
    readonly mismatches: number;
    readonly first?: LoadMismatch;
  };
}

/** The first wrong word of a block. */
export interface LoadMismatch {
  /** In words, for people. */
  readonly kind: string;
  readonly lba: bigint;
  /** Of the word in its block. */
  readonly byteOffset: number;
  /** The generations that the block may hold. */
  readonly expectedOldest: number;
  readonly expectedNewest: number;
  readonly foundGeneration: number;
  readonly foundLba: bigint;
  readonly expectedWord: bigint;
  readonly foundWord: bigint;
}

export interface LoadProgress {
  readonly operations: number;
  readonly bytes: number;
  readonly errors: number;
}

/** A run that has begun. */
export interface LoadRun {
  readonly report: Promise<LoadReport>;
  /** Ends the measuring early. */
  stop(): void;
  progress(): LoadProgress;
}
