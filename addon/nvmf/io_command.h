// The NVM command set on an I/O queue: plan() before any data is moved, execute() once it is there.
//
// Order of checks: opcode, flags, NSID, write protection, LBA range, transfer size, SGL (NVM
// Command Set 1.0, 2.x, 3.2; NVMe over TCP 1.0). Every command is answered exactly once through
// Request::answer(). Thread: the reactor of the queue.
#pragma once

#include <optional>

#include "nvmf/request.h"

namespace capsuled::nvmf {

/// Checks an I/O command and says what data it moves. Does not start anything.
/// `capsule_bytes`: the in-capsule data that came with it.
Plan io_plan(Request& request, uint32_t capsule_bytes);

/// Of a command that was just planned and moves data: the number of its bdev on this reactor
/// (CoreChannel::number()).
uint32_t io_bdev(const Request& request);

/// What an I/O command waits for that may keep it: the number of its bdev on this reactor, if that
/// has a device or a limit (CoreChannel::may_keep()); 0 for a Flush of all namespaces. Nothing:
/// nothing will keep it.
std::optional<uint32_t> io_device(const Qpair& qpair, const wire::SubmissionQueueEntry& sqe);

/// Whether a command that waits for a device holds nothing but its request: it has no data, they
/// come in its capsule, or they are lent.
bool io_needs_no_buffer(const Qpair& qpair, const wire::SubmissionQueueEntry& sqe);

/// Whether what io_device() says hangs: see CoreChannel::hangs().
bool io_hangs(const Qpair& qpair, const wire::SubmissionQueueEntry& sqe);

/// Refuses a command that was just planned: its device hangs, and it is to come again later.
void io_interrupt(Request& request);

/// Of a Read whose plan says `lent`: takes the loan, into `request.data.buffers.iov`. Whoever
/// releases the request ends it with bdev_give_back(request.io). False: not now; it needs buffers.
bool io_lend(Request& request);

/// Runs a planned command whose host data, if any, is in `request.data.buffers`.
void io_execute(Request& request);

/// Asks an executing command to end early; it still answers exactly once.
void io_cancel(Request& request);

}  // namespace capsuled::nvmf
