/**
 * The contract between the admin plane (TypeScript) and the engine (C++), in the admin plane's
 * words.
 *
 * `src/engine/engine.ts` implements {@link Engine} over the addon; tests may implement it over a
 * fake. Everything here is called on the JavaScript thread; promises resolve when every reactor
 * concerned has applied the change.
 */

export type PollMode = 'adaptive' | 'busy' | 'interrupt';

export interface EngineOptions {
  /** One reactor per entry: the core that it is pinned to. */
  readonly cores: readonly number[];
  readonly poll: PollMode;
  /** Adaptive mode: how long to spin after the last work, ns. */
  readonly idleAfterNs: number;
  /** I/O buffers of all reactors together, bytes. */
  readonly memoryBytes: number;
  readonly hugepages: 'auto' | 'never' | 'required';
  /** Connections of all reactors together. */
  readonly connectionsMax: number;
  /** From accept to a complete ICReq, and from then to a complete Connect with its data, ms. */
  readonly connectTimeoutMs: number;
  /**
   * A PDU that has begun must be complete after this time, ms; and a second more for each 64 KiB of
   * its length.
   */
  readonly pduTimeoutMs: number;
}

export interface EngineFacts {
  /** What was found and chosen: kernel release, io_uring features; for the log. */
  readonly features: readonly string[];
  /** Largest data transfer of one command, bytes (a power of two times 4 KiB). */
  readonly transferBytesMax: number;
  /** Largest SQSIZE + 1. */
  readonly queueEntriesMax: number;
  /** Connections that there may be: as asked for, or what the limit of open files leaves. */
  readonly connectionsMax: number;
  /** The process's limit of open files. */
  readonly openFilesMax: number;
  /** The most bytes of {@link CommandAnswer.data}; more come from a page. */
  readonly answerBytesMax: number;
  /** In-capsule data that an I/O queue takes, bytes. */
  readonly inCapsuleBytes: number;
  readonly statNames: StatNames;
}

/** The words of the arrays of statistics, in order. */
export interface StatNames {
  readonly reactor: readonly string[];
  readonly transport: readonly string[];
  /** Operations of a namespace: `read`, `write`, `flush`, … in index order. */
  readonly namespaceOperations: readonly string[];
  /**
   * Words of one operation of a namespace; behind them `latencyBoundsNs.length` + 1 histogram
   * words.
   */
  readonly namespaceOperationWords: readonly string[];
  /** Upper bounds of the latency histogram's buckets, ns; one more word follows for +Inf. */
  readonly latencyBoundsNs: readonly number[];
  readonly bdevOperations: readonly string[];
  readonly bdevOperationWords: readonly string[];
  /** Words of a bdev behind those of its operations. */
  readonly bdevWords: readonly string[];
  readonly controllerOperations: readonly string[];
  readonly controllerOperationWords: readonly string[];
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A command that the admin plane answers. */
export interface CommandEvent {
  readonly type: 'command';
  /** Names the command in {@link Engine.complete}; valid until then. */
  readonly token: bigint;
  readonly connection: number;
  /** The engine's handle of the controller, 0 before Connect. */
  readonly controller: number;
  readonly qid: number;
  /** The submission queue entry, 64 bytes. */
  readonly sqe: Buffer;
  /** Data from the host (in-capsule or by R2T), or null. */
  readonly data: Buffer | null;
  /** Bytes that the host's SGL has room for, when the command reads data from the controller. */
  readonly dataLengthMax: number;
}

export interface ConnectionOpenedEvent {
  readonly type: 'connection_opened';
  readonly connection: number;
  readonly listener: number;
  readonly reactor: number;
  readonly local: Endpoint;
  readonly peer: Endpoint;
}

export interface ConnectionClosedEvent {
  readonly type: 'connection_closed';
  readonly connection: number;
  /**
   * Why, as a stable lower_snake word: host_closed, header_digest_error, icreq_timeout,
   * keep_alive_expired, displaced, …
   */
  readonly reason: string;
}

export interface KeepAliveExpiredEvent {
  readonly type: 'keep_alive_expired';
  readonly controller: number;
}

/** An I/O command failed. At most some hundred a second are told; more are only counted. */
export interface CommandFailedEvent {
  readonly type: 'command_failed';
  readonly controller: number;
  readonly qid: number;
  /** The submission queue entry, 64 bytes. */
  readonly sqe: Buffer;
  /** What the host was told; as {@link CommandAnswer.status}. */
  readonly status: number;
}

/** Sockets were closed at once, for want of a place. At most one such event a second. */
export interface ConnectionsRefusedEvent {
  readonly type: 'connections_refused';
  /** Since the last such event. */
  readonly count: number;
  /** Of the last of them. */
  readonly listener: number;
  readonly peer: Endpoint;
}

/** A host has waited for a second at the limit of what it may hold of a resource. */
export interface PeerLimitedEvent {
  readonly type: 'peer_limited';
  /** One of its connections that wait. */
  readonly connection: number;
  /** As in the words `limit_host_<resource>` of the transport's statistics. */
  readonly resource: string;
}

export type EngineEvent =
  | CommandEvent
  | CommandFailedEvent
  | ConnectionOpenedEvent
  | ConnectionClosedEvent
  | ConnectionsRefusedEvent
  | KeepAliveExpiredEvent
  | PeerLimitedEvent;

/** A namespace as the controllers of one table see it. */
export interface NamespaceEntry {
  readonly nsid: number;
  readonly bdev: string;
  readonly readOnly: boolean;
}

/** The answer to a command. */
export interface CommandAnswer {
  /**
   * Status Field without the phase bit: SC in bits 7:0, SCT in 10:8, CRD in 12:11, M in 13, DNR in
   * 14.
   */
  readonly status: number;
  readonly dw0?: number;
  readonly dw1?: number;
  /** Data for the host, at most `answerBytesMax`; cut to the command's length. */
  readonly data?: Uint8Array;
  /** Instead of `data`: a page of {@link Engine.pageCreate}, from `pageOffset` on. */
  readonly page?: number;
  readonly pageOffset?: number;
  /** What `data` or `page` are short of this are zeros. */
  readonly dataLength?: number;
  /** Close the connection once the answer was sent (Disconnect). */
  readonly close?: boolean;
}

/** What an accepted Connect makes of its connection. */
export interface QueueAttach {
  /**
   * Chosen by the admin plane, unique among living controllers, > 0. The first queue (qid 0)
   * creates it.
   */
  readonly controller: number;
  readonly qid: number;
  /** Entries of the queue (SQSIZE + 1). */
  readonly entries: number;
  /** CATTR bit 2: the host disabled SQ flow control. */
  readonly flowControlDisabled: boolean;
  /** Namespace table of the controller's I/O queues; 0 for discovery controllers. */
  readonly table: number;
  /** Asynchronous Event Requests that may be outstanding (AERL + 1). */
  readonly asynchronousEventsMax: number;
  readonly discovery: boolean;
  /** Whose account the queue is charged to: the same number for all queues of a host. */
  readonly host: number;
  /** The account is the one of its address that has a guarantee before those of further hosts. */
  readonly hostIsFirst: boolean;
  /** CRD of I/O commands that are refused because their device hangs; 0: none. */
  readonly retryDelay: number;
}

/** Where a file lies. */
export interface FileSystemFacts {
  /** The same for as long as the file system exists. */
  readonly id: string;
  /** `ext4`; empty if it was not found. */
  readonly type: string;
  /** `/dev/sda1`, `server:/export` */
  readonly source: string;
  readonly mountPoint: string;
}

/** What a path points at, and what the machine says of it. */
export interface ContentFacts {
  readonly kind: 'file' | 'block_device' | 'directory' | 'other';
  /** Of the file system; of a block device, its own. */
  readonly device: bigint;
  /** Of a file or folder; else 0. */
  readonly inode: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Names of a file; 0: it is deleted. */
  readonly links: bigint;
  /** Since 1970; 0: the file system does not say. */
  readonly bornNs: bigint;
  readonly fileSystem: FileSystemFacts;
  /** What is recorded with a file, see `src/identity/content-record.ts`; empty: nothing. */
  readonly identity: string;
  /** Why that cannot be read: `ENOTSUP`; empty: it can, or there is none. */
  readonly identityError: string;
  /** Why it is not known what a block device says of itself: `EMFILE`; empty: it is. */
  readonly namesError: string;
  /** What a block device says of itself: `wwid`, `serial`, `partition_uuid`, … */
  readonly names: Readonly<Record<string, string>>;
  /** Of a partition: what the whole disk says. */
  readonly diskNames: Readonly<Record<string, string>>;
  /** Of a loop device. */
  readonly backing: BackingFile | null;
}

export interface BackingFile {
  readonly path: string;
  readonly offset: bigint;
  /** Bytes; 0: up to the end of the file. */
  readonly limit: bigint;
  /** Null if the file is not found there. */
  readonly facts: ContentFacts | null;
}

export interface BdevDescription {
  readonly name: string;
  readonly kind: string;
  readonly blockSize: number;
  /** When it was opened; bdev-growth.ts keeps it up to date, and nobody else writes it. */
  blockCount: bigint;
  readonly readOnly: boolean;
  readonly canUnmap: boolean;
  /** What was deallocated reads as zeros. */
  readonly unmapZeroes: boolean;
  readonly canWriteZeroes: boolean;
  readonly volatileCache: boolean;
  readonly optimalWriteBlocks: number;
  /** The file was made for this bdev. */
  readonly created: boolean;
  /** Where it begins in its base, in blocks, if it is a part of one. */
  readonly firstBlock: bigint;
  /** What the operator should know of how it was found; empty: nothing. */
  readonly warning: string;
  /** What was found out that may be written in its configuration, by the keys of config.yaml. */
  readonly found: Readonly<Record<string, string>>;
  /** Where the content is, as it was when the bdev was created; null: in memory. */
  readonly content: ContentFacts | null;
}

/** A value in the configuration of a bdev: sizes are bigints, times are nanoseconds. */
export type BdevValue =
  boolean | number | bigint | string | readonly BdevValue[] | { readonly [key: string]: BdevValue };

/**
 * A bdev as it is configured, by the keys of config.yaml; `src/bdev/<kind>.ts` has those of each.
 */
export interface BdevParameters {
  readonly name: string;
  readonly kind: string;
  readonly [key: string]: BdevValue | undefined;
}

/** What a published namespace table still waits for. */
export interface NamespacePublication {
  /** Every reactor uses it: takes no longer than a message. */
  readonly applied: Promise<void>;
  /** No I/O is left on namespaces that it no longer has: on a disk that hangs, perhaps never. */
  readonly drained: Promise<void>;
}

/** What is wrong with a bdev; see `bdev-condition.ts` for what each means. */
export type BdevFault = 'gone' | 'lost_data' | 'lost_flush' | 'write_protected';

/** An error of the machine. */
export interface BdevFailure {
  /** `read`, `write`, `flush`, … as in {@link StatNames.bdevOperations}. */
  readonly op: string;
  /** Bytes; 0 for Flush. */
  readonly offset: number;
  /** `EIO`, … */
  readonly code: string;
  readonly message: string;
}

/** What is known of a bdev's device. */
export interface BdevHealth {
  readonly faults: readonly BdevFault[];
  /** Errors of the machine since the bdev was made. */
  readonly failureCount: number;
  readonly lastFailure: BdevFailure | null;
  /** How long its oldest operation has been under way, give or take two seconds, ms; 0: none. */
  readonly oldestMs: number;
}

/** How large a bdev is, and could be: its disk has grown, or what it stands on. */
export interface BdevSize {
  readonly blockCount: bigint;
  /** As it was found less than two seconds ago; never less than what it has. */
  readonly foundBytes: bigint;
}

/** SMART / Health Information of a drive, as it said it at most a minute ago. */
export interface DriveHealth {
  /** Bits: `CriticalWarningBits`. */
  readonly criticalWarning: number;
  readonly temperatureKelvin: number;
  /** Percent. */
  readonly availableSpare: number;
  readonly availableSpareThreshold: number;
  /** Percent; may exceed 100. */
  readonly percentageUsed: number;
  /** In 512,000 bytes. */
  readonly dataUnitsRead: number;
  readonly dataUnitsWritten: number;
  readonly powerCycles: number;
  readonly powerOnHours: number;
  readonly unsafeShutdowns: number;
  readonly mediaErrors: number;
}

/** Of a bdev that drives its device by itself. */
export interface BdevDrive {
  /** Of the controller, since it was opened. */
  readonly resets: number;
  /** Operations whose data the device could not reach where they were. */
  readonly bounceCopies: number;
  /** Null before it was read. */
  readonly health: DriveHealth | null;
}

/** The states of {@link BdevPath}. */
export const pathStates = ['connecting', 'live', 'reconnecting', 'lost', 'closing'] as const;

/** One of several ways to what a bdev has. */
export interface BdevPath {
  /** Where it leads, such as `192.0.2.1:4420`. */
  readonly name: string;
  readonly state: (typeof pathStates)[number];
  /** How good it is, in the words of ANA; empty: that is not known now. */
  readonly access: string;
  /** What is wrong with it; empty: nothing. */
  readonly reason: string;
}

export interface ListenerAddress extends Endpoint {
  readonly listener: number;
}

export interface Engine {
  readonly facts: EngineFacts;
  /** Stops every listener and connection, drains I/O, joins the reactors. */
  stop(): Promise<void>;

  /**
   * Takes the address; who connects waits in the kernel until {@link listenerStart}. Errors are
   * TargetError; the message says why, not where.
   */
  listenerAdd(endpoint: Endpoint): Promise<ListenerAddress>;
  /** Begins to accept. */
  listenerStart(listener: number): void;
  /** Stops accepting, or never began to; connections that came through it live on. */
  listenerRemove(listener: number): Promise<void>;

  /**
   * Errors are TargetError with the field at fault. Without `claim` a file is opened beside whoever
   * has it open, to see whether it could be opened so: nothing may be written.
   */
  bdevCreate(
    parameters: BdevParameters,
    claim?: boolean,
    bases?: readonly string[],
  ): Promise<BdevDescription>;
  /**
   * Gives a bdev those of its parameters that can be changed while it is open, all of them or, with
   * a TargetError that has the field at fault, none.
   */
  bdevChange(name: string, parameters: BdevParameters): void;
  /** It is to go: what it keeps by intent, and not because of a device, ends soon. */
  bdevLetGo(name: string): void;
  /** Closes it, which may take as long as its disk does. It must not be in a namespace table. */
  bdevDelete(name: string): Promise<void>;
  /** Null if there is none of that name. */
  bdevHealth(name: string): BdevHealth | null;
  /** Null if there is none of that name. */
  bdevSize(name: string): BdevSize | null;
  /** Null if there is none of that name, or it has no drive of its own. */
  bdevDrive(name: string): BdevDrive | null;
  /** Empty if there is none of that name, or there is but one way to what it has. */
  bdevPaths(name: string): BdevPath[];
  /**
   * The bdev, and what stands on it, become as large as they are found to be. Resolves when
   * commands reach the new blocks. Rejects with a TargetError if there is none of that name.
   */
  bdevGrow(name: string): Promise<void>;
  /**
   * Looks at the bdev again and, if it is well, forgets what was latched. Rejects with what is
   * still wrong. Not while the engine stops.
   */
  bdevAcknowledge(name: string): Promise<void>;

  /** What `path` points at now; null: nothing. */
  inspect(path: string): Promise<ContentFacts | null>;
  /**
   * Records an identity with the file that `file` describes, durably; empty removes it. Rejects
   * with a NodeJS.ErrnoException: ESTALE if `path` is another file now, ENOTSUP, EROFS, EACCES and
   * others if it cannot be written there.
   */
  recordIdentity(
    path: string,
    file: Pick<ContentFacts, 'device' | 'inode'>,
    identity: string,
  ): Promise<void>;
  /** Locks a file until the engine stops. Rejects with EAGAIN if another process has it. */
  lockFile(path: string): Promise<void>;

  /**
   * Publishes a namespace table (creates it the first time). A namespace that stays on the same
   * bdev is swapped in place, and goes on counting. Throws, and changes nothing, if there is no
   * such bdev.
   */
  namespaceTablePublish(table: number, entries: readonly NamespaceEntry[]): NamespacePublication;
  /** Resolves when no I/O is left on anything that was ever in it. */
  namespaceTableDelete(table: number): Promise<void>;

  /**
   * Keeps a copy of bytes that many answers share; null if there is no room. It lives until
   * {@link pageDelete} and the last answer that is sent from it.
   */
  pageCreate(data: Uint8Array): number | null;
  pageDelete(page: number): void;

  /** Answers a command. A token whose connection is gone is ignored. */
  complete(token: bigint, answer: CommandAnswer): void;
  /**
   * Answers a Connect with success and attaches the connection as that queue; in one step. Nothing
   * if the connection is gone: `connection_closed` says so.
   */
  completeConnect(token: bigint, attach: QueueAttach, dw0: number): void;

  /** Starts (or moves) the controller's keep-alive timer; 0 stops it. */
  controllerKeepAlive(controller: number, timeoutMs: number): void;
  /**
   * Terminates I/O queues only (CC.EN cleared; the Asynchronous Event Requests of the admin queue
   * are aborted then) or all of the controller. Resolves when they are
   * gone.
   */
  controllerTerminate(controller: number, queues: 'io' | 'all', reason: string): Promise<void>;
  /**
   * Keeps the controller's I/O queues, those to come included, from these namespaces (ascending) of
   * its table, in place of those named before: their commands end with Namespace Not Ready and
   * `retryDelay` as CRD. Resolves when no queue can reach them.
   */
  controllerWithhold(
    controller: number,
    nsids: readonly number[],
    retryDelay: number,
  ): Promise<void>;
  /**
   * Completes a parked Asynchronous Event Request with this dword 0, or keeps the event for the
   * next one.
   */
  asynchronousEvent(controller: number, dw0: number): void;
  /**
   * True: the command has ended with Abort Requested. False: there is none, it cannot be taken
   * back, or its bdev did not let go of it within a second; it goes on then.
   */
  abort(controller: number, sqid: number, cid: number): Promise<boolean>;
  connectionTerminate(connection: number, reason: string): void;
  /** Connections that hosts of this address were granted and have not made yet. */
  addressReserve(address: string, count: number): void;

  /**
   * Statistics are copies, taken when asked for; a reactor may count between two words. One array
   * per reactor; none of what the engine does not know.
   */
  reactorStats(): readonly BigUint64Array[];
  transportStats(): readonly BigUint64Array[];
  namespaceStats(table: number, nsid: number): readonly BigUint64Array[];
  /** By operation and status, summed over reactors, for capsuled_io_errors_total. */
  namespaceErrors(
    table: number,
    nsid: number,
  ): readonly { operation: string; status: number; count: bigint }[];
  controllerStats(controller: number): readonly BigUint64Array[];
  bdevStats(name: string): readonly BigUint64Array[];
}

/** Receives events in batches, in order per connection. */
export type EngineEventsSink = (events: readonly EngineEvent[]) => void;
