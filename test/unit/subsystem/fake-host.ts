/** A target over a fake engine, and hosts that speak to it in submission queue entries. */

import type { EngineFacts, Endpoint } from '../../../src/engine/engine-types.js';
import type {
  SubsystemConfiguration,
  TargetConfiguration,
} from '../../../src/subsystem/configuration.js';
import type { Clock, TargetOptions } from '../../../src/subsystem/target-options.js';
import { Target } from '../../../src/subsystem/target.js';
import { packBits } from '../../../src/wire/bits.js';
import {
  AdminOpcode,
  CcBits,
  ConnectCommand,
  ConnectData,
  DisconnectCommand,
  FabricsCommandType,
  GetLogPageCdw10Bits,
  GetLogPageCdw11Bits,
  Property,
  PropertyAttributesBits,
  PropertyGetCommand,
  PropertySetCommand,
  PropertySize,
  SubmissionQueueEntry,
  discoveryNqn,
  fabricsOpcode,
} from '../../../src/wire/layout.gen.js';
import { packStatus } from '../../../src/wire/status.js';
import { FakeEngine } from './fake-engine.js';
import type { FakeAnswer } from './fake-engine.js';

export const diskNqn = 'nqn.2026-11.com.example:disk0';
export const hostNqn = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555';
export const hostId = Buffer.from('11111111222233334444555555555555', 'hex');
export const loopback: Endpoint = { address: '127.0.0.1', port: 4420 };

/** CC as Linux writes it to enable a controller. */
export const enabledConfiguration = packBits(
  [CcBits.en, 1],
  [CcBits.iosqes, 6],
  [CcBits.iocqes, 4],
);

/** More, in the engine's form of a status: failed commands of a controller carry it. */
const more = 1 << 13;

/** The status of a refusal that the error log has, as the engine is given it. */
export function refusedStatus(type: number, code: number): number {
  return (packStatus(type, code, 'doNotRetry') >>> 1) + more;
}

export class FakeClock implements Clock {
  #nowMs = 1000;
  #timers: { atMs: number; callback: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get pending(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter((timer) => timer.atMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => timer.atMs > this.#nowMs);
    for (const timer of due) timer.callback();
  }
}

export function subsystem(fields: Partial<SubsystemConfiguration> = {}): SubsystemConfiguration {
  return {
    nqn: diskNqn,
    serial: 'CAPSULED0001',
    model: 'capsuled',
    allowAnyHost: true,
    hosts: [],
    cntlidRange: [1, 100],
    listeners: [loopback],
    namespaces: [{ nsid: 1, bdev: 'ram0', readOnly: false }],
    ...fields,
  };
}

export function configuration(fields: Partial<TargetConfiguration> = {}): TargetConfiguration {
  return {
    discoveryListeners: [{ address: '127.0.0.1', port: 8009 }],
    bdevs: [
      { name: 'ram0', kind: 'malloc', size: 1n << 20n, block_size: 512 },
      { name: 'ram1', kind: 'malloc', size: 1n << 20n, block_size: 4096 },
    ],
    subsystems: [subsystem()],
    ...fields,
  };
}

export class Bed<Model extends FakeEngine = FakeEngine> {
  readonly engine: Model;
  readonly clock = new FakeClock();
  readonly warnings: { fields: object; message: string }[] = [];
  /** Lines of the info level. */
  readonly notes: { fields: object; message: string }[] = [];
  readonly target: Target;
  #connectionNext = 1;

  constructor(options: Partial<TargetOptions> = {}, engine = new FakeEngine() as Model) {
    this.engine = engine;
    const note = (fields: object, message: string): void => {
      this.notes.push({ fields, message });
    };
    const log = (fields: object, message: string): void => {
      this.warnings.push({ fields, message });
    };
    const none = (): void => undefined;
    this.target = new Target(this.engine, {
      version: '0.1.0',
      clock: this.clock,
      logger: { info: note, debug: none, warn: log, error: log },
      ...options,
    });
    this.engine.sink = this.target.handleEvents;
  }

  static async with(
    desired: TargetConfiguration = configuration(),
    options: Partial<TargetOptions> = {},
    facts: Partial<EngineFacts> = {},
  ): Promise<Bed> {
    const engine = new FakeEngine();
    // Before the target is made, which reads them.
    engine.facts = { ...engine.facts, ...facts };
    const bed = new Bed(options, engine);
    await bed.target.apply(desired);
    return bed;
  }

  /** A connection from a host to a listener of that port; to the first if none is given. */
  open(port?: number, local: Partial<Endpoint> = {}, peer = '127.0.0.1'): number {
    const connection = this.#connectionNext;
    this.#connectionNext += 1;
    const listeners = [...this.engine.openListeners];
    const atPort = listeners.filter(([, one]) => one.port === port);
    const [listener, actual] = atPort.find(([, one]) => one.address === local.address) ??
      atPort[0] ??
      listeners[0] ?? [0, loopback];
    this.target.handleEvents([
      {
        type: 'connection_opened',
        connection,
        listener,
        reactor: 0,
        local: { address: '127.0.0.1', port: actual.port, ...local },
        peer: { address: peer, port: 50000 + connection },
      },
    ]);
    return connection;
  }
}

export interface ConnectFields {
  readonly qid?: number;
  readonly sqsize?: number;
  readonly kato?: number;
  readonly cattr?: number;
  readonly recfmt?: number;
  readonly cntlid?: number;
  readonly subnqn?: string;
  readonly hostnqn?: string;
  readonly hostid?: Buffer;
  /** Changes the data before it is sent. */
  readonly spoil?: (data: ConnectData) => Buffer | null;
}

let tokenNext = 1n;

/** One host with its connections to one controller. */
export class FakeHost {
  readonly bed: Bed;
  readonly subnqn: string;
  /** Connection of the admin queue. */
  connection = 0;
  cntlid = 0xffff;
  controller = 0;
  #cidNext = 1;

  constructor(bed: Bed, subnqn = diskNqn) {
    this.bed = bed;
    this.subnqn = subnqn;
  }

  /** A host whose controller is enabled. */
  static async ready(bed: Bed, fields: ConnectFields = {}, connection?: number): Promise<FakeHost> {
    const host = new FakeHost(bed, fields.subnqn ?? diskNqn);
    const port = host.subnqn === discoveryNqn ? 8009 : 4420;
    const answer = await host.connect(fields, connection ?? bed.open(port));
    if (answer.status !== 0) throw new Error(`Connect: ${answer.status.toString(16)}h`);
    await host.setProperty(Property.cc, enabledConfiguration);
    return host;
  }

  async connect(
    fields: ConnectFields = {},
    connection = this.bed.open(4420),
  ): Promise<FakeAnswer & { readonly connection: number }> {
    const qid = fields.qid ?? 0;
    const command = ConnectCommand.alloc();
    command.opcode = fabricsOpcode;
    command.fctype = FabricsCommandType.connect;
    command.qid = qid;
    command.sqsize = fields.sqsize ?? 31;
    command.kato = fields.kato ?? 0;
    command.cattr = fields.cattr ?? 0;
    command.recfmt = fields.recfmt ?? 0;
    const data = ConnectData.alloc();
    data.hostid = fields.hostid ?? hostId;
    data.cntlid = fields.cntlid ?? (qid === 0 ? 0xffff : this.cntlid);
    data.subnqn = fields.subnqn ?? this.subnqn;
    data.hostnqn = fields.hostnqn ?? hostNqn;
    const sent = fields.spoil === undefined ? data.buffer : fields.spoil(data);
    const answer = await this.#send(connection, qid, command.buffer, sent, 0);
    if (answer.attach !== undefined && qid === 0) {
      this.connection = connection;
      this.cntlid = answer.dw0 ?? 0;
      this.controller = answer.attach.controller;
    }
    return { ...answer, connection };
  }

  setProperty(offset: number, value: number, size: 4 | 8 = 4): Promise<FakeAnswer> {
    const command = PropertySetCommand.alloc();
    command.opcode = fabricsOpcode;
    command.fctype = FabricsCommandType.propertySet;
    command.attrib = attrib(size);
    command.ofst = offset;
    command.value = BigInt(value);
    return this.#send(this.connection, 0, command.buffer, null, 0);
  }

  getProperty(offset: number, size: 4 | 8 = 4): Promise<FakeAnswer> {
    const command = PropertyGetCommand.alloc();
    command.opcode = fabricsOpcode;
    command.fctype = FabricsCommandType.propertyGet;
    command.attrib = attrib(size);
    command.ofst = offset;
    return this.#send(this.connection, 0, command.buffer, null, 0);
  }

  disconnect(connection: number, qid: number, recfmt = 0): Promise<FakeAnswer> {
    const command = DisconnectCommand.alloc();
    command.opcode = fabricsOpcode;
    command.fctype = FabricsCommandType.disconnect;
    command.recfmt = recfmt;
    return this.#send(connection, qid, command.buffer, null, 0);
  }

  /** Any admin command. */
  admin(
    opcode: number,
    fields: Partial<Pick<SubmissionQueueEntry, 'nsid' | `cdw1${0 | 1 | 2 | 3 | 4}`>> = {},
    dataLengthMax = 4096,
    connection = this.connection,
    data: Buffer | null = null,
  ): Promise<FakeAnswer> {
    const sqe = SubmissionQueueEntry.alloc();
    Object.assign(sqe, fields);
    sqe.opcode = opcode;
    return this.#send(connection, 0, sqe.buffer, data, dataLengthMax);
  }

  /** `bytes` of a log page from `offset`. */
  logPage(
    lid: number,
    { bytes = 4096, offset = 0, rae = 0, lsp = 0, nsid = 0, cdw14 = 0 } = {},
  ): Promise<FakeAnswer> {
    const dwords = bytes / 4 - 1;
    const fields = {
      nsid,
      cdw10: packBits(
        [GetLogPageCdw10Bits.lid, lid],
        [GetLogPageCdw10Bits.lsp, lsp],
        [GetLogPageCdw10Bits.rae, rae],
        [GetLogPageCdw10Bits.numdl, dwords % 0x10000],
      ),
      cdw11: packBits([GetLogPageCdw11Bits.numdu, Math.floor(dwords / 0x10000)]),
      cdw12: offset,
      cdw14,
    };
    return this.admin(AdminOpcode.getLogPage, fields, bytes);
  }

  #send(
    connection: number,
    qid: number,
    entry: Buffer,
    data: Buffer | null,
    dataLengthMax: number,
  ): Promise<FakeAnswer> {
    const sqe = new SubmissionQueueEntry(entry);
    sqe.cid = this.#cidNext;
    this.#cidNext += 1;
    const token = tokenNext;
    tokenNext += 1n;
    const { controller } = this;
    return this.bed.engine.command({
      type: 'command',
      token,
      connection,
      controller,
      qid,
      sqe: entry,
      data,
      dataLengthMax,
    });
  }
}

function attrib(size: 4 | 8): number {
  return packBits([
    PropertyAttributesBits.size,
    size === 4 ? PropertySize._4Bytes : PropertySize._8Bytes,
  ]);
}

/** The data of an answer that must have some. */
export function dataOf(answer: FakeAnswer): Buffer {
  if (answer.data === undefined) throw new Error(`no data, status ${answer.status.toString(16)}h`);
  return Buffer.from(answer.data);
}
