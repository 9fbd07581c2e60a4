/**
 * The Discovery log page (NVMe Base 2.1, 5.1.12.3.1): where a host finds the subsystems that it may
 * use. A host reads it in parts; the parts come from one snapshot, and the generation counter tells
 * it when to begin anew.
 */

import { isIPv6 } from 'node:net';

import type { Connection } from '../transport/connection.js';
import type { Listener } from '../transport/listener.js';
import { isWildcard } from '../transport/address.js';
import { hasBit, packBits } from '../wire/bits.js';
import {
  AddressFamily,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  DiscoveryLspBits,
  EflagsBits,
  GenericStatus,
  StatusCodeType,
  SubsystemType,
  TransportType,
  TreqBits,
  cntlidDynamic,
  discoveryNqn,
} from '../wire/layout.gen.js';
import { CommandError, statusOf } from './command-error.js';
import type { Controller } from './controller.js';
import type { DiscoveryPage } from './discovery-pages.js';
import type { Subsystem } from './subsystem.js';
import type { TargetState } from './target-state.js';

/**
 * TREQ.TSC: whether a secure channel is required is not specified. "Not required" (2) would be as
 * true, but nvme-cli 2.3 takes it for a demand of TLS, and `nvme connect-all` connects nothing.
 */
const secureChannelNotSpecified = 0;

/** ASQSZ: what we suggest; more is accepted. */
const adminQueueEntriesSuggested = 128;

/** What a controller reads from. */
export interface DiscoverySnapshot {
  /** Log Specific Parameter that it was made for. */
  readonly lsp: number;
  readonly page: DiscoveryPage;
}

/** What a controller's host may see, as a key, as of a generation. */
export interface DiscoveryView {
  readonly generation: bigint;
  readonly key: string;
}

/**
 * The log page, from the snapshot that the controller reads from. Reading from the beginning takes
 * a new one, and so does a host that paused for so long that its own was dropped: the generation
 * counter tells it.
 */
export function discoveryLogPage(
  state: TargetState,
  controller: Controller,
  connection: Connection,
  offset: number,
  lsp: number,
): { readonly page: number; readonly length: number } {
  const snapshot = controller.discoverySnapshot;
  if (snapshot !== null && snapshot.lsp === lsp && offset > 0 && snapshot.page.page !== null) {
    state.discoveryPages.touch(snapshot.page);
    return { page: snapshot.page.page, length: snapshot.page.length };
  }
  const localOnly = hasBit(lsp, DiscoveryLspBits.pleo);
  const { listener, local } = connection;
  const view = viewOf(state, controller);
  const key = `${listener} ${local.address} ${local.port} ${localOnly ? 'local' : 'all'} ${view}`;
  const page = state.discoveryPages.take(key, () =>
    makePage(state, entriesFor(state, controller.hostNqn, connection, localOnly)),
  );
  if (page === null || page.page === null) {
    const status = statusOf(StatusCodeType.generic, GenericStatus.commandInterrupted, 'retry');
    throw new CommandError(status, 'too many discovery log pages are being sent');
  }
  controller.discoverySnapshot = { lsp, page };
  return { page: page.page, length: page.length };
}

/** Two controllers with the same key see the same subsystems in the same state. */
function viewOf(state: TargetState, controller: Controller): string {
  const { generation } = state.discovery;
  if (controller.discoveryView?.generation !== generation) {
    const tables = visibleTo(state, controller.hostNqn).map(({ table }) => table);
    const key = `${generation} ${tables.join(' ')}`;
    controller.discoveryView = { generation, key };
  }
  return controller.discoveryView.key;
}

function visibleTo(state: TargetState, hostNqn: string): Subsystem[] {
  return [...state.subsystems.values()].filter(
    (subsystem) => subsystem.accepting && subsystem.allows(hostNqn),
  );
}

function makePage(state: TargetState, entries: readonly DiscoveryLogEntry[]): Buffer {
  const header = DiscoveryLogHeader.alloc();
  header.genctr = state.discovery.generation;
  header.numrec = BigInt(entries.length);
  return Buffer.concat([header.buffer, ...entries.map((entry) => entry.buffer)]);
}

function entriesFor(
  state: TargetState,
  hostNqn: string,
  connection: Connection,
  localOnly: boolean,
): DiscoveryLogEntry[] {
  const entries = [currentEntry(state, connection)];
  for (const subsystem of visibleTo(state, hostNqn)) {
    for (const endpoint of subsystem.listeners.values()) {
      const listener = state.listeners.get(endpoint);
      if (listener === undefined) continue;
      const address = advertisedAddress(listener, connection);
      if (address === null || (localOnly && address !== connection.local.address)) continue;
      const entry = makeEntry(state, subsystem.nqn, listener.portId, address, listener.actual.port);
      entry.subtype = SubsystemType.nvme;
      entries.push(entry);
    }
  }
  return entries;
}

/** The service that the host talks to, and that it may stay connected to. */
function currentEntry(state: TargetState, { listener, local }: Connection): DiscoveryLogEntry {
  const portId = state.listeners.byNumber(listener)?.portId ?? 0;
  const entry = makeEntry(state, discoveryNqn, portId, local.address, local.port);
  entry.subtype = SubsystemType.currentDiscovery;
  entry.eflags = packBits([EflagsBits.epcsd, 1]);
  return entry;
}

/**
 * A wildcard is no address to connect to: the host is told the one that it came in on. Null if that
 * is of IPv6 and the listener takes IPv4 alone.
 */
function advertisedAddress(listener: Listener, { local }: Connection): string | null {
  const { address } = listener.actual;
  if (!isWildcard(address)) return address;
  return isIPv6(address) || !isIPv6(local.address) ? local.address : null;
}

function makeEntry(
  state: TargetState,
  subnqn: string,
  portId: number,
  address: string,
  port: number,
): DiscoveryLogEntry {
  const entry = DiscoveryLogEntry.alloc();
  entry.trtype = TransportType.tcp;
  entry.adrfam = isIPv6(address) ? AddressFamily.ipv6 : AddressFamily.ipv4;
  entry.treq = packBits([TreqBits.secureChannel, secureChannelNotSpecified], [TreqBits.dsqfc, 1]);
  entry.portid = portId;
  entry.cntlid = cntlidDynamic;
  entry.asqsz = Math.min(adminQueueEntriesSuggested, state.engine.facts.queueEntriesMax);
  entry.trsvcid = String(port);
  entry.subnqn = subnqn;
  // The zone of a link-local address is the name of an interface here; the host has others.
  entry.traddr = address.replace(/%.*/, '');
  return entry;
}
