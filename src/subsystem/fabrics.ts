/**
 * Fabrics commands other than Connect (NVMe Base 2.1, section 6), on a connection that is a queue.
 */

import type { CommandAnswer } from '../engine/engine-types.js';
import {
  DisconnectCommand,
  FabricsCommand,
  FabricsCommandType,
  FabricsStatus,
  GenericStatus,
} from '../wire/layout.gen.js';
import type { AdminCommand } from './admin-command.js';
import { commandSequenceError, commandSpecificError, genericError } from './command-error.js';
import { propertyGet, propertySet } from './properties.js';

export function fabrics(command: AdminCommand): CommandAnswer {
  const { fctype } = new FabricsCommand(command.sqe.buffer);
  switch (fctype) {
    case FabricsCommandType.disconnect:
      return disconnect(command);
    case FabricsCommandType.propertyGet:
      expectAdminQueue(command);
      return propertyGet(command);
    case FabricsCommandType.propertySet:
      expectAdminQueue(command);
      return propertySet(command);
    default:
      throw unsupported(`there is no FCTYPE ${fctype.toString(16)}h`);
  }
}

function unsupported(message: string): Error {
  return genericError(GenericStatus.invalidOpcode, message);
}

function expectAdminQueue({ qid }: AdminCommand): void {
  if (qid !== 0) throw unsupported('properties are reached through the admin queue');
}

/**
 * Ends one I/O queue; the connection is closed behind the answer. The admin queue ends with its
 * connection.
 */
function disconnect({ sqe, qid, controller }: AdminCommand): CommandAnswer {
  const { recfmt } = new DisconnectCommand(sqe.buffer);
  if (recfmt !== 0) {
    const { connectIncompatibleFormat } = FabricsStatus;
    throw commandSpecificError(connectIncompatibleFormat, `expected RECFMT 0, got ${recfmt}`);
  }
  if (qid === 0) {
    throw commandSpecificError(FabricsStatus.invalidQueueType, 'the admin queue has no Disconnect');
  }
  if (!controller.living) throw commandSequenceError('the controller ends already');
  return { status: 0, close: true };
}
