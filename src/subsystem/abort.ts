/** Abort (NVMe Base 2.1, 5.1.1): the engine finds the command; here its limit is kept. */

import type { CommandAnswer } from '../engine/engine-types.js';
import { getBits, packBits } from '../wire/bits.js';
import {
  AbortCdw10Bits,
  AbortResultBits,
  CommandSpecificStatus,
  SubmissionQueueEntry,
} from '../wire/layout.gen.js';
import type { AdminCommand } from './admin-command.js';
import { commandSpecificError, invalidField } from './command-error.js';

/** ACL + 1: Abort commands that may be outstanding. */
export const abortsMax = 4;

export async function abort({ state, controller, sqe }: AdminCommand): Promise<CommandAnswer> {
  const sqid = getBits(sqe.cdw10, AbortCdw10Bits.sqid);
  const cid = getBits(sqe.cdw10, AbortCdw10Bits.cid);
  if (!controller.queues.has(sqid)) {
    throw invalidField(`there is no queue ${sqid}`, SubmissionQueueEntry.fields.cdw10.offset);
  }
  if (controller.abortsInFlight >= abortsMax) {
    const { abortCommandLimitExceeded } = CommandSpecificStatus;
    throw commandSpecificError(abortCommandLimitExceeded, `${abortsMax} are outstanding`);
  }
  controller.abortsInFlight += 1;
  try {
    const aborted = await state.engine.abort(controller.handle, sqid, cid);
    return { status: 0, dw0: packBits([AbortResultBits.notAborted, aborted ? 0 : 1]) };
  } finally {
    controller.abortsInFlight -= 1;
  }
}
