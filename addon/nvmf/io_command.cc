#include "nvmf/io_command.h"

#include <cstring>

#include "nvmf/bdev_status.h"
#include "nvmf/qpair.h"
#include "reactor/reactor_stats.h"
#include "wire/io_command.h"

namespace capsuled::nvmf {

namespace {

using wire::GenericStatus;
using wire::IoOpcode;
using wire::Status;

Plan refused(Status status) { return Plan{.status = status.do_not_retry()}; }

/// The host has not identified what is there now: it may come again when it has.
Status not_identified(const NamespaceTable& table) {
  return Status(GenericStatus::kNamespaceNotReady).with_retry_delay(table.retry_delay());
}

Plan absent(const NamespaceTable& table, uint32_t nsid) {
  if (table.withholds(nsid)) return Plan{.status = not_identified(table)};
  return refused(GenericStatus::kInvalidNamespaceOrFormat);
}

/// The SGL of a command that moves exactly `bytes`, or up to its own length when `exact` is not
/// asked.
Status check_sgl(const wire::SglDescriptor& sgl, Direction direction, uint32_t bytes,
                 uint32_t capsule_bytes) {
  if (sgl.is_in_capsule()) {
    if (direction != Direction::HostToController) return GenericStatus::kSglDescriptorTypeInvalid;
    // The data begins right behind the submission queue entry: ICDOFF is 0, and so is any other
    // offset.
    if (sgl.address.get() != 0) return GenericStatus::kSglOffsetInvalid;
    if (sgl.length.get() > capsule_bytes) return GenericStatus::kDataSglLengthInvalid;
  } else if (!sgl.is_transport()) {
    return GenericStatus::kSglDescriptorTypeInvalid;
  }
  if (sgl.length.get() != bytes) return GenericStatus::kDataSglLengthInvalid;
  return GenericStatus::kSuccess;
}

/// Read, Write and Compare: one range of blocks and exactly its data.
Plan plan_transfer(const Request& request, const NamespaceChannel& ns, Direction direction,
                   uint32_t capsule_bytes) {
  const wire::LbaRangeCommand command(request.sqe);
  const uint64_t slba = command.slba();
  const uint32_t blocks = command.block_count();
  if (slba > ns.block_count || blocks > ns.block_count - slba) {
    return refused(GenericStatus::kLbaOutOfRange);
  }
  const uint64_t bytes = uint64_t{blocks} << ns.block_shift;
  if (bytes > kTransferBytesMax) return refused(GenericStatus::kInvalidField);
  const auto length = static_cast<uint32_t>(bytes);
  const Status sgl = check_sgl(request.sqe.dptr, direction, length, capsule_bytes);
  if (!sgl.is_success()) return refused(sgl);
  return Plan{.direction = direction, .bytes = length};
}

Plan plan_write_zeroes(const Request& request, const NamespaceChannel& ns) {
  const wire::LbaRangeCommand command(request.sqe);
  const uint64_t slba = command.slba();
  if (slba > ns.block_count || command.block_count() > ns.block_count - slba) {
    return refused(GenericStatus::kLbaOutOfRange);
  }
  return Plan{};
}

/// The list of ranges. Its SGL may be longer than the list (Linux always sends room for 256
/// ranges).
Plan plan_dataset_management(const Request& request, uint32_t capsule_bytes) {
  const wire::DatasetManagementCommand command(request.sqe);
  const uint32_t length = request.sqe.dptr.length.get();
  const uint32_t needed = command.range_count() * static_cast<uint32_t>(sizeof(wire::DsmRange));
  if (length < needed || length > kTransferBytesMax) {
    return refused(GenericStatus::kDataSglLengthInvalid);
  }
  const Status sgl =
      check_sgl(request.sqe.dptr, Direction::HostToController, length, capsule_bytes);
  if (!sgl.is_success()) return refused(sgl);
  return Plan{.direction = Direction::HostToController, .bytes = length};
}

IoOpcode opcode_of(const Request& request) { return static_cast<IoOpcode>(request.sqe.opcode); }

bool is_flush_of_all(const wire::SubmissionQueueEntry& sqe) {
  return sqe.opcode == static_cast<uint8_t>(IoOpcode::kFlush) &&
         sqe.nsid.get() == wire::kNsidBroadcast;
}

bool is_known(IoOpcode opcode) {
  switch (opcode) {
    case IoOpcode::kFlush:
    case IoOpcode::kWrite:
    case IoOpcode::kRead:
    case IoOpcode::kCompare:
    case IoOpcode::kWriteZeroes:
    case IoOpcode::kDatasetManagement: return true;
    default: return false;
  }
}

/// In line, because each command asks.
[[gnu::always_inline]] inline Operation operation_of(IoOpcode opcode) {
  switch (opcode) {
    case IoOpcode::kRead: return Operation::Read;
    case IoOpcode::kWrite: return Operation::Write;
    case IoOpcode::kFlush: return Operation::Flush;
    case IoOpcode::kDatasetManagement: return Operation::Deallocate;
    case IoOpcode::kWriteZeroes: return Operation::WriteZeroes;
    case IoOpcode::kCompare: return Operation::Compare;
    default: UNREACHABLE();
  }
}

void count_error(NamespaceStats& stats, Operation operation, Status status) {
  add_stat(stats.by_operation[static_cast<size_t>(operation)].errors, 1);
  const uint64_t key = uint64_t{static_cast<uint8_t>(operation)} << 16 | status.pack();
  for (ErrorSlot& slot : stats.errors) {
    if (slot.count == 0) set_stat(slot.key, key);
    if (slot.key != key) continue;
    publish_stat(slot.count, slot.count + 1);
    return;
  }
  add_stat(stats.errors_other, 1);
}

[[gnu::always_inline]] inline void count(Request& request, NamespaceChannel& ns, Status status) {
  const Operation operation = operation_of(opcode_of(request));
  if (!status.is_success()) {
    count_error(*ns.stats, operation, status);
    return;
  }
  const uint64_t bytes = operation == Operation::Deallocate ? 0 : uint64_t{request.plan.bytes};
  const uint64_t latency_ns = ns.bdev->now_ns() - request.started_ns;
  OperationStats& stats = ns.stats->by_operation[static_cast<size_t>(operation)];
  add_stat(stats.operations, 1);
  add_stat(stats.bytes, bytes);
  add_stat(stats.latency_ns, latency_ns);
  add_stat(stats.histogram[latency_bucket(latency_ns)], 1);
  QueueOperationStats& queue = request.qpair->stats->by_operation[static_cast<size_t>(operation)];
  add_stat(queue.operations, 1);
  add_stat(queue.bytes, bytes);
}

/// The last step of every command that reached a namespace.
void finish(Request& request, Status status) {
  NamespaceChannel& ns = *request.ns;
  request.ns = nullptr;
  count(request, ns, status);
  request.answer(status);
  NamespaceTable::release(ns);
}

Request& request_of(BdevIo& io) { return *static_cast<Request*>(io.user); }

/// `data`: what it moves; null: nothing.
[[gnu::always_inline]] inline void submit(Request& request, BdevIoType type, uint64_t offset_blocks,
                                          uint64_t count_blocks, void (*complete)(BdevIo& io),
                                          IoBuffers* data = nullptr) {
  BdevIo& io = request.io;
  io.type = type;
  io.offset_blocks = offset_blocks;
  io.count_blocks = count_blocks;
  io.status = BdevStatus::Success;
  io.cancel_requested = request.cancel_requested;
  // The request, and so the operation in it, served another command before.
  io.iov = data != nullptr ? data->iov.data() : nullptr;
  if (!io.lent) io.iov_count = data != nullptr ? data->count : 0;
  io.complete = complete;
  io.user = &request;
  io.flow = request.qpair->flow;
  request.ns->bdev->submit(io);
}

void transfer_done(BdevIo& io) { finish(request_of(io), nvme_status(io.status, io.type)); }

void execute_transfer(Request& request, BdevIoType type) {
  const wire::LbaRangeCommand command(request.sqe);
  request.io.force_unit_access = type != BdevIoType::Compare && command.fua();
  submit(request, type, command.slba(), command.block_count(), transfer_done,
         &request.data.buffers);
}

void zeroes_done(BdevIo& io) {
  Request& request = request_of(io);
  if (io.type == BdevIoType::Unmap && io.status == BdevStatus::Unsupported) {
    // The blocks must read as zeros in any case.
    submit(request, BdevIoType::WriteZeroes, io.offset_blocks, io.count_blocks, transfer_done);
    return;
  }
  transfer_done(io);
}

void execute_write_zeroes(Request& request) {
  const wire::LbaRangeCommand command(request.sqe);
  request.io.force_unit_access = command.fua();
  // Where deallocated blocks read as zeros (DLFEAT), a host that allows it saves the writing.
  const BdevFacts& facts = request.ns->bdev->facts();
  const bool unmap =
      command.deallocate() && facts.can_unmap && facts.unmap_zeroes && !command.fua();
  submit(request, unmap ? BdevIoType::Unmap : BdevIoType::WriteZeroes, command.slba(),
         command.block_count(), zeroes_done);
}

void flush_next(Request& request);

void flush_done(BdevIo& io) {
  Request& request = request_of(io);
  if (io.status != BdevStatus::Success || request.sqe.nsid.get() != wire::kNsidBroadcast) {
    finish(request, nvme_status(io.status, io.type));
    return;
  }
  NamespaceChannel& ns = *request.ns;
  request.ns = nullptr;
  count(request, ns, GenericStatus::kSuccess);
  NamespaceTable::release(ns);
  flush_next(request);
}

/// Flush of all namespaces (NSID FFFFFFFFh): one after the other, in the order of their
/// identifiers.
void flush_next(Request& request) {
  NamespaceTable& table = *request.qpair->table;
  if (request.cancel_requested) {
    request.answer(GenericStatus::kAbortRequested);
    return;
  }
  while (++request.step <= table.nsid_max()) {
    NamespaceChannel* const ns = table.find(request.step);
    if (ns == nullptr) continue;
    request.ns = ns;
    NamespaceTable::hold(*ns);
    submit(request, BdevIoType::Flush, 0, 0, flush_done);
    return;
  }
  request.answer(GenericStatus::kSuccess);
}

wire::DsmRange dsm_range(const Request& request, uint32_t index) {
  // A buffer's size is a multiple of a range's, so a range never lies across two.
  static_assert(kSmallBufferBytes % sizeof(wire::DsmRange) == 0);
  static_assert(kLargeBufferBytes % sizeof(wire::DsmRange) == 0);
  uint64_t offset = uint64_t{index} * sizeof(wire::DsmRange);
  const IoBuffers& buffers = request.data.buffers;
  uint32_t segment = 0;
  while (offset >= buffers.iov[segment].iov_len) offset -= buffers.iov[segment++].iov_len;
  ASSERT(segment < buffers.count);
  wire::DsmRange range;
  std::memcpy(&range, static_cast<const std::byte*>(buffers.iov[segment].iov_base) + offset,
              sizeof(range));
  return range;
}

void deallocate_next(Request& request);

void deallocate_done(BdevIo& io) {
  Request& request = request_of(io);
  // Deallocation is advice: a device that turns out unable to follow it has not failed.
  if (io.status != BdevStatus::Success && io.status != BdevStatus::Unsupported) {
    finish(request, nvme_status(io.status, io.type));
    return;
  }
  deallocate_next(request);
}

/// Deallocates the ranges one after the other; an empty one is skipped.
void deallocate_next(Request& request) {
  while (request.step < request.step_count) {
    if (request.cancel_requested) {
      finish(request, GenericStatus::kAbortRequested);
      return;
    }
    const wire::DsmRange range = dsm_range(request, request.step++);
    if (range.nlb.get() == 0) continue;
    submit(request, BdevIoType::Unmap, range.slba.get(), range.nlb.get(), deallocate_done);
    return;
  }
  finish(request, GenericStatus::kSuccess);
}

void execute_dataset_management(Request& request) {
  const wire::DatasetManagementCommand command(request.sqe);
  // All ranges are checked before the first is touched (NVM Command Set 1.0, 3.2.3).
  for (uint32_t index = 0; index < command.range_count(); index++) {
    const wire::DsmRange range = dsm_range(request, index);
    const uint64_t slba = range.slba.get();
    if (slba > request.ns->block_count || range.nlb.get() > request.ns->block_count - slba) {
      finish(request, Status(GenericStatus::kLbaOutOfRange).do_not_retry());
      return;
    }
  }
  // The other attributes are hints, and a device that cannot deallocate may ignore this one too.
  const bool deallocate = command.deallocate() && request.ns->bdev->facts().can_unmap;
  request.io.force_unit_access = false;
  request.step = 0;
  request.step_count = deallocate ? command.range_count() : 0;
  deallocate_next(request);
}

/// What the command would do on the namespace that it names.
Plan plan_on(const Request& request, const NamespaceChannel& ns, uint32_t capsule_bytes) {
  const IoOpcode opcode = opcode_of(request);
  const bool writes = opcode == IoOpcode::kWrite || opcode == IoOpcode::kWriteZeroes ||
                      opcode == IoOpcode::kDatasetManagement;
  if (writes && ns.read_only) return refused(GenericStatus::kNamespaceWriteProtected);
  switch (opcode) {
    case IoOpcode::kFlush: return Plan{};
    case IoOpcode::kRead: {
      Plan plan = plan_transfer(request, ns, Direction::ControllerToHost, capsule_bytes);
      plan.lent = ns.lends_reads;
      return plan;
    }
    case IoOpcode::kWrite:
    case IoOpcode::kCompare: {
      Plan plan = plan_transfer(request, ns, Direction::HostToController, capsule_bytes);
      plan.at_once = ns.bdev->takes_data_at_once();
      return plan;
    }
    case IoOpcode::kWriteZeroes: return plan_write_zeroes(request, ns);
    case IoOpcode::kDatasetManagement: return plan_dataset_management(request, capsule_bytes);
    default: UNREACHABLE();
  }
}

}  // namespace

Plan io_plan(Request& request, uint32_t capsule_bytes) {
  const wire::SubmissionQueueEntry& sqe = request.sqe;
  const IoOpcode opcode = opcode_of(request);
  request.table_version = request.qpair->table->version();
  if (!is_known(opcode)) return refused(GenericStatus::kInvalidOpcode);
  if (!sqe.is_plain_sgl()) return refused(GenericStatus::kInvalidField);
  const uint32_t nsid = sqe.nsid.get();
  if (is_flush_of_all(sqe)) return Plan{};
  const NamespaceChannel* const ns = request.qpair->table->find(nsid);
  if (ns == nullptr) return absent(*request.qpair->table, nsid);
  const Plan plan = plan_on(request, *ns, capsule_bytes);
  if (!plan.status.is_success()) count_error(*ns->stats, operation_of(opcode), plan.status);
  return plan;
}

uint32_t io_bdev(const Request& request) {
  const NamespaceChannel* const ns = request.qpair->table->find(request.sqe.nsid.get());
  ASSERT(ns != nullptr);
  return ns->bdev->number();
}

std::optional<uint32_t> io_device(const Qpair& qpair, const wire::SubmissionQueueEntry& sqe) {
  if (qpair.table == nullptr) return std::nullopt;
  if (is_flush_of_all(sqe)) return 0;
  const NamespaceChannel* const ns = qpair.table->find(sqe.nsid.get());
  if (ns == nullptr || !ns->bdev->may_keep()) return std::nullopt;
  return ns->bdev->number();
}

bool io_needs_no_buffer(const Qpair& qpair, const wire::SubmissionQueueEntry& sqe) {
  switch (static_cast<IoOpcode>(sqe.opcode)) {
    case IoOpcode::kRead: {
      const NamespaceChannel* const ns = qpair.table->find(sqe.nsid.get());
      return ns != nullptr && ns->lends_reads;
    }
    case IoOpcode::kWrite:
    case IoOpcode::kCompare:
    case IoOpcode::kDatasetManagement: return sqe.dptr.is_in_capsule();
    default: return true;
  }
}

bool io_hangs(const Qpair& qpair, const wire::SubmissionQueueEntry& sqe) {
  NamespaceTable& table = *qpair.table;
  if (!is_flush_of_all(sqe)) {
    const NamespaceChannel* const ns = table.find(sqe.nsid.get());
    return ns != nullptr && ns->bdev->hangs();
  }
  for (uint32_t nsid = 1; nsid <= table.nsid_max(); ++nsid) {
    const NamespaceChannel* const ns = table.find(nsid);
    if (ns != nullptr && ns->bdev->hangs()) return true;
  }
  return false;
}

void io_interrupt(Request& request) {
  if (!request.plan.status.is_success()) return;
  const Status status = GenericStatus::kCommandInterrupted;
  request.plan.status = status.with_retry_delay(request.qpair->retry_delay);
  const NamespaceChannel* const ns = request.qpair->table->find(request.sqe.nsid.get());
  if (ns != nullptr) count_error(*ns->stats, operation_of(opcode_of(request)), status);
}

bool io_lend(Request& request) {
  ASSERT(request.plan.lent);
  const wire::LbaRangeCommand command(request.sqe);
  const NamespaceChannel* const ns = request.qpair->table->find(request.sqe.nsid.get());
  // What changed since the plan is io_execute()'s to find.
  if (ns == nullptr || request.table_version != request.qpair->table->version()) return false;
  BdevIo& io = request.io;
  io.type = BdevIoType::Read;
  io.offset_blocks = command.slba();
  io.count_blocks = command.block_count();
  io.iov = request.data.buffers.iov.data();
  return ns->bdev->lend(io);
}

void io_execute(Request& request) {
  ASSERT(request.executing.owed());
  const IoOpcode opcode = opcode_of(request);
  if (is_flush_of_all(request.sqe)) {
    request.step = 0;
    request.owner->given_to_device(request, 0);
    flush_next(request);
    return;
  }
  NamespaceTable& table = *request.qpair->table;
  if (request.table_version != table.version()) {
    // The table changed while the data came in: the command is checked against what is true now.
    // It was meant for the content that was there when it was planned, and must not reach another.
    const NamespaceChannel* const now = table.find(request.sqe.nsid.get());
    if (now != nullptr && now->entry->since_version > request.table_version) {
      request.answer(not_identified(table));
      return;
    }
    const Plan again = io_plan(request, request.plan.bytes);
    // A loan is of the bdev that was there.
    if (!again.status.is_success() || again.bytes != request.plan.bytes || request.io.lent) {
      request.answer(again.status.is_success()
                         ? Status(GenericStatus::kInvalidNamespaceOrFormat).do_not_retry()
                         : again.status);
      return;
    }
  }
  NamespaceChannel* const ns = table.find(request.sqe.nsid.get());
  request.ns = ns;
  NamespaceTable::hold(*ns);
  if (ns->bdev->may_keep()) [[unlikely]]
    request.owner->given_to_device(request, ns->bdev->number());
  switch (opcode) {
    case IoOpcode::kRead: execute_transfer(request, BdevIoType::Read); return;
    case IoOpcode::kWrite: execute_transfer(request, BdevIoType::Write); return;
    case IoOpcode::kCompare: execute_transfer(request, BdevIoType::Compare); return;
    case IoOpcode::kFlush: submit(request, BdevIoType::Flush, 0, 0, flush_done); return;
    case IoOpcode::kWriteZeroes: execute_write_zeroes(request); return;
    case IoOpcode::kDatasetManagement: execute_dataset_management(request); return;
    default: UNREACHABLE();
  }
}

void io_cancel(Request& request) {
  ASSERT(request.executing.owed());
  request.cancel_requested = true;
  if (request.ns != nullptr) request.ns->bdev->cancel(request.io);
}

}  // namespace capsuled::nvmf
