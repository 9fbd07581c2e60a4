/** Identify (NVMe Base 2.1, 5.1.13): which structure is asked for, and whether it may be. */

import type { CommandAnswer } from '../engine/engine-types.js';
import { getBits, packBits64 } from '../wire/bits.js';
import {
  Cns,
  CommandSet,
  CommandSetVectorBits,
  IdentifyCdw10Bits,
  IdentifyCdw11Bits,
  IdentifyIoCommandSet,
  IdentifyNvmController,
  NamespaceList,
  SubmissionQueueEntry,
} from '../wire/layout.gen.js';
import type { AdminCommand } from './admin-command.js';
import { dataAnswer } from './admin-command.js';
import { invalidField, invalidNamespace } from './command-error.js';
import { identifyController } from './identify-controller.js';
import {
  identifyIndependentNamespace,
  identifyNamespace,
  identifyNvmNamespace,
  identifySize,
  namespaceIdDescriptors,
} from './identify-namespace.js';
import type { Namespace } from './namespace.js';
import type { Subsystem } from './subsystem.js';

const { cdw10, cdw11 } = SubmissionQueueEntry.fields;

/** Namespace lists start behind an NSID; the two largest have meanings of their own. */
const listStartMax = 0xfffffffd;

const namespaceListEntries = NamespaceList.fields.nsid.size / 4;

interface Identify {
  readonly command: AdminCommand;
  readonly cns: number;
  readonly nsid: number;
  readonly csi: number;
  readonly cntid: number;
}

function parse(command: AdminCommand): Identify {
  const { sqe } = command;
  return {
    command,
    cns: getBits(sqe.cdw10, IdentifyCdw10Bits.cns),
    nsid: sqe.nsid,
    csi: getBits(sqe.cdw11, IdentifyCdw11Bits.csi),
    cntid: getBits(sqe.cdw10, IdentifyCdw10Bits.cntid),
  };
}

export async function identify(command: AdminCommand): Promise<CommandAnswer> {
  const request = parse(command);
  const { state, controller } = command;
  const { subsystem } = controller;
  if (request.cns === Cns.controller) {
    return dataAnswer(command, identifyController(state, controller));
  }
  if (subsystem.kind === 'discovery') throw noSuchStructure(request);
  if (request.cns === Cns.namespace) await identified(request, subsystem);
  return dataAnswer(command, structureOf(request, subsystem));
}

/**
 * The host learns what is there, with size and block format, or that nothing is: from then on it
 * means that.
 */
async function identified({ command, nsid }: Identify, subsystem: Subsystem): Promise<void> {
  const { state, controller } = command;
  if (command.dataLengthMax < identifySize) return;
  const namespace = subsystem.namespaces.get(nsid);
  if (namespace !== undefined && state.access.isVisible(controller, nsid)) {
    await state.access.identified(subsystem, controller, namespace);
  }
}

function noSuchStructure({ cns }: Identify): Error {
  return invalidField(`there is no CNS ${cns.toString(16)}h`, cdw10.offset);
}

function structureOf(request: Identify, subsystem: Subsystem): Buffer {
  switch (request.cns) {
    case Cns.namespace:
      return describedOrTold(request, subsystem);
    case Cns.activeNamespaceList:
      return activeNamespaceList(request, subsystem);
    case Cns.namespaceIdDescriptors:
      return namespaceIdDescriptors(activeNamespace(request, subsystem));
    case Cns.ioCommandSetNamespace:
      expectNvm(request);
      return describedOrZero(request, subsystem, identifyNvmNamespace);
    case Cns.ioCommandSetController:
      expectNvm(request);
      // No limits beside MDTS.
      return IdentifyNvmController.alloc().buffer;
    case Cns.ioCommandSetActiveNamespaceList:
      expectNvm(request);
      return activeNamespaceList(request, subsystem);
    case Cns.independentNamespace:
      return describedOrZero(request, subsystem, identifyIndependentNamespace);
    case Cns.ioCommandSet:
      return commandSetCombinations(request);
    default:
      throw noSuchStructure(request);
  }
}

/**
 * A valid NSID without a namespace is inactive: all zeros. NSID FFFFFFFFh would need Namespace
 * Management.
 */
function describedOrZero(
  { command, nsid }: Identify,
  subsystem: Subsystem,
  described: (namespace: Namespace) => Buffer,
): Buffer {
  if (nsid === 0 || nsid > command.state.limits.namespacesMax) throw invalidNamespace(nsid);
  const namespace = visibleNamespace(command, subsystem, nsid);
  return namespace === undefined ? Buffer.alloc(identifySize) : described(namespace);
}

function describedOrTold(request: Identify, subsystem: Subsystem): Buffer {
  const { command, nsid } = request;
  const { state, controller } = command;
  const described = describedOrZero(request, subsystem, identifyNamespace);
  if (visibleNamespace(command, subsystem, nsid) === undefined) {
    state.access.toldAbsent(subsystem, controller, (told) => told === nsid);
  }
  return described;
}

function visibleNamespace(
  { state, controller }: AdminCommand,
  subsystem: Subsystem,
  nsid: number,
): Namespace | undefined {
  return state.access.isVisible(controller, nsid) ? subsystem.namespaces.get(nsid) : undefined;
}

function activeNamespace({ command, nsid }: Identify, subsystem: Subsystem): Namespace {
  const namespace = visibleNamespace(command, subsystem, nsid);
  if (namespace === undefined) throw invalidNamespace(nsid);
  return namespace;
}

/** NSIDs above the command's, ascending. */
function activeNamespaceList({ command, nsid }: Identify, subsystem: Subsystem): Buffer {
  if (nsid > listStartMax) throw invalidNamespace(nsid);
  const { state, controller } = command;
  const list = NamespaceList.alloc();
  const listed = state.access
    .visible(subsystem, controller)
    .filter((namespace) => namespace.nsid > nsid)
    .slice(0, namespaceListEntries)
    .map((namespace) => namespace.nsid);
  listed.forEach((each, index) => {
    list.setNsid(index, each);
  });
  // A list that is full says nothing about what is behind its last entry.
  const last = listed.length < namespaceListEntries ? Infinity : (listed.at(-1) ?? Infinity);
  state.access.toldAbsent(
    subsystem,
    controller,
    (told) => told > nsid && told <= last && !listed.includes(told),
  );
  return list.buffer;
}

function expectNvm({ csi }: Identify): void {
  if (csi === CommandSet.nvm) return;
  throw invalidField(`there is no command set ${csi}`, cdw11.offset);
}

/** One combination: the NVM command set alone. */
function commandSetCombinations({ command, cntid }: Identify): Buffer {
  const ours = cntid === 0xffff || cntid === command.controller.cntlid;
  if (!ours) throw invalidField(`there is no controller ${cntid} here`, cdw10.offset);
  const combinations = IdentifyIoCommandSet.alloc();
  combinations.setVector(0, packBits64([CommandSetVectorBits.nvm, 1]));
  return combinations.buffer;
}
