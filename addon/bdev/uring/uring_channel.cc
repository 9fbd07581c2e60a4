#include "bdev/uring/uring_channel.h"

#include <algorithm>
#include <cerrno>

#include "bdev/bdev_status.h"
#include "reactor/reactor.h"

namespace capsuled {

namespace {

UringChannel& channel_of(const BdevIo& io) { return *static_cast<UringChannel*>(io.backend); }

bool durable(const BdevIo& io) { return io.force_unit_access && changes_blocks(io.type); }

}  // namespace

UringChannel::UringChannel(Reactor& reactor, env::Ring& ring, UringFile file, UringFileSize& size,
                           BdevHealth& health)
    : reactor_(reactor), ring_(ring), file_(file), size_(size), health_(health) {
  ring_.expect_blocking(kWorkersMax);
}

UringChannel::~UringChannel() { ring_.expect_blocking(-kWorkersMax); }

void UringChannel::submit(BdevIo& io) {
  // The ring's callback has nothing but the operation.
  io.backend = this;
  io.scratch = 0;
  switch (io.type) {
    case BdevIoType::Read:
    case BdevIoType::Write: line_.push_back(io); return begin_transfers();
    case BdevIoType::Flush:
    case BdevIoType::Unmap:
    case BdevIoType::WriteZeroes: blocking_line_.push_back(io); return begin_blocking();
    case BdevIoType::Compare: break;
  }
  UNREACHABLE();  // the core emulates Compare
}

void UringChannel::cancel(BdevIo& io) {
  if (line_.contains(io)) {
    line_.remove(io);
  } else if (blocking_line_.contains(io)) {
    blocking_line_.remove(io);
  } else {
    return ring_.cancel(io.op);
  }
  bdev_complete(io, BdevStatus::Aborted);
}

uint64_t UringChannel::oldest_ns() const {
  uint64_t oldest_ns = UINT64_MAX;
  for (const List* const list : {&line_, &transfers_, &blocking_line_, &blocking_}) {
    if (!list->empty()) oldest_ns = std::min(oldest_ns, list->front()->submitted_ns);
  }
  return oldest_ns;
}

// ---- What was lost -----------------------------------------------------------------------------

/// A write may give a file that was cut short a part of its size again, or all of it, and what was
/// cut off would be read as zeros; and zeros that are asked for there would be none. So the file is
/// looked at first, once for the operations that begin at one time of the reactor.
BdevStatus UringChannel::refusal(const BdevIo& io) {
  const bool writes = io.type == BdevIoType::Write || io.type == BdevIoType::WriteZeroes;
  if (writes && !file_.block_device && looked_ns_ != reactor_.now_ns()) look_at_size();
  const uint32_t faults = health_.faults();
  if (faults == 0) [[likely]]
    return BdevStatus::Success;
  if (lost() != BdevStatus::Success) return lost();
  const bool needs_flush = io.type == BdevIoType::Flush || durable(io);
  return (faults & kLostFlush) != 0 && needs_flush ? BdevStatus::Lost : BdevStatus::Success;
}

BdevStatus UringChannel::lost() const {
  const uint32_t faults = health_.faults();
  if ((faults & kGone) != 0) return BdevStatus::Gone;
  return (faults & kLostData) != 0 ? BdevStatus::Lost : BdevStatus::Success;
}

BdevStatus UringChannel::failed(const BdevIo& io, int errnum) {
  const BdevStatus status = bdev_status_from_errno(errnum, io.type);
  // Neither is the device's fault: who asked for it, and a file system that never could.
  if (status == BdevStatus::Aborted || status == BdevStatus::Unsupported) return status;
  health_.report({io.type, errnum, io.offset_blocks * file_.block_size});
  if (status == BdevStatus::ReadOnly) health_.raise(kWriteProtected);
  if (status == BdevStatus::Gone) health_.raise(kGone);
  // A disk that goes is told by its size; the errors until then are of many kinds.
  if (file_.block_device) look_at_size();
  return lost() == BdevStatus::Success ? status : lost();
}

/// After it, the kernel has forgotten what it could not make durable.
BdevStatus UringChannel::sync_failed(const BdevIo& io, int errnum) {
  const BdevStatus status = failed(io, errnum);
  if (status != BdevStatus::Aborted && status != BdevStatus::Unsupported) {
    health_.raise(kLostFlush);
  }
  return status;
}

void UringChannel::changed() {
  if ((health_.faults() & kWriteProtected) != 0) health_.writable();
}

bool UringChannel::is_short(uint64_t bytes) {
  if (bytes >= size_.used.load(std::memory_order_relaxed)) return false;
  health_.raise(bytes == 0 && file_.block_device ? kGone : kLostData);
  return true;
}

void UringChannel::tick() { look_at_size(); }

void UringChannel::look_at_size() {
  looked_ns_ = reactor_.now_ns();
  if (lost() != BdevStatus::Success) return;
  const Result<uint64_t> bytes = ring_.file_bytes(file_.fd);
  if (!bytes.ok()) return;
  if (is_short(bytes.value())) return;
  if (bytes.value() != size_.found.load(std::memory_order_relaxed)) {
    size_.found.store(bytes.value(), std::memory_order_relaxed);
  }
}

void UringChannel::recheck(BdevIo& io) {
  io.backend = this;
  io.scratch = health_.word();
  const Result<uint64_t> bytes = ring_.file_bytes(file_.fd);
  if (!bytes.ok()) return bdev_complete(io, failed(io, bytes.error().errnum));
  if (is_short(bytes.value())) return bdev_complete(io, lost());
  io.op.complete = [](env::RingOp& op, env::Completion completion) {
    BdevIo& done = BdevIo::of(op);
    channel_of(done).rechecked(done, completion.result);
  };
  ring_.sync_data(io.op, file_.fd);
}

void UringChannel::rechecked(BdevIo& io, int32_t result) {
  if (result < 0) return bdev_complete(io, sync_failed(io, -result));
  bdev_complete(io, health_.clear(io.scratch) ? BdevStatus::Success : BdevStatus::Failed);
}

// ---- Transfers ---------------------------------------------------------------------------------

void UringChannel::begin_transfers() {
  while (!line_.empty() && transfers_.size() < kTransfersMax) {
    BdevIo& io = *line_.pop_front();
    const BdevStatus refused = refusal(io);
    if (refused != BdevStatus::Success) {
      bdev_complete(io, refused);
      continue;
    }
    transfers_.push_back(io);
    transfer(io);
  }
}

void UringChannel::end_transfer(BdevIo& io, BdevStatus status) {
  transfers_.remove(io);
  bdev_complete(io, status);
  begin_transfers();
}

void UringChannel::transfer(BdevIo& io) {
  IovCursor left(io.iov, io.iov_count);
  left.skip(io.scratch);
  // After a short transfer the list may have to start within an iovec. It is the submitter's and
  // stays as it is, so the rest of that one iovec goes alone.
  std::span<const iovec> iov = left.rest();
  if (!left.at_segment_start()) {
    io.scratch_iov = left.current();
    iov = {&io.scratch_iov, 1};
  }
  io.op.complete = [](env::RingOp& op, env::Completion completion) {
    BdevIo& done = BdevIo::of(op);
    channel_of(done).transferred(done, completion.result);
  };
  const uint64_t offset = io.offset_blocks * file_.block_size + io.scratch;
  const auto iov_count = static_cast<uint32_t>(iov.size());
  if (io.type == BdevIoType::Read) {
    ring_.read(io.op, file_.fd, iov.data(), iov_count, offset);
  } else {
    ring_.write(io.op, file_.fd, iov.data(), iov_count, offset,
                io.force_unit_access ? env::Durability::Durable : env::Durability::Cached);
  }
}

void UringChannel::transferred(BdevIo& io, int32_t result) {
  if (result < 0) {
    // Of a durable write nobody can say which part failed, the write or the flush in it.
    const bool may_be_flush =
        durable(io) && bdev_status_from_errno(-result, io.type) != BdevStatus::NoSpace;
    return end_transfer(io, may_be_flush ? sync_failed(io, -result) : failed(io, -result));
  }
  // Nothing moved: the file ends before the blocks do, because someone cut it short below us.
  // Or its disk has gone.
  if (result == 0) {
    if (file_.block_device) look_at_size();
    if (lost() == BdevStatus::Success) health_.raise(kLostData);
    return end_transfer(io, lost());
  }
  io.scratch += static_cast<uint64_t>(result);
  const uint64_t length = io.count_blocks * file_.block_size;
  ASSERT(io.scratch <= length);
  if (io.scratch == length) {
    if (io.type == BdevIoType::Write) changed();
    return end_transfer(io, BdevStatus::Success);
  }
  if (io.cancel_requested) return end_transfer(io, BdevStatus::Aborted);
  const BdevStatus refused = refusal(io);
  if (refused != BdevStatus::Success) return end_transfer(io, refused);
  transfer(io);
}

// ---- Syncs and zeroing -------------------------------------------------------------------------

void UringChannel::begin_blocking() {
  while (!blocking_line_.empty() && blocking_.size() < kBlockingMax) {
    BdevIo& io = *blocking_line_.pop_front();
    const BdevStatus refused = refusal(io);
    if (refused != BdevStatus::Success) {
      bdev_complete(io, refused);
      continue;
    }
    blocking_.push_back(io);
    if (io.type == BdevIoType::Flush) {
      sync(io);
    } else {
      zero(io);
    }
  }
}

void UringChannel::end_blocking(BdevIo& io, BdevStatus status) {
  blocking_.remove(io);
  bdev_complete(io, status);
  begin_blocking();
}

void UringChannel::sync(BdevIo& io) {
  io.op.complete = [](env::RingOp& op, env::Completion completion) {
    BdevIo& done = BdevIo::of(op);
    UringChannel& channel = channel_of(done);
    const int32_t result = completion.result;
    channel.end_blocking(done,
                         result < 0 ? channel.sync_failed(done, -result) : BdevStatus::Success);
  };
  ring_.sync_data(io.op, file_.fd);
}

void UringChannel::zero(BdevIo& io) {
  io.op.complete = [](env::RingOp& op, env::Completion completion) {
    BdevIo& done = BdevIo::of(op);
    channel_of(done).zeroed(done, completion.result);
  };
  // On a block device, punching a hole is refused by those that cannot zero by themselves; there
  // ZeroRange lets the kernel write the zeros.
  const bool range = file_.block_device && io.type == BdevIoType::WriteZeroes;
  ring_.allocate(io.op, file_.fd,
                 range ? env::AllocateMode::ZeroRange : env::AllocateMode::PunchHole,
                 io.offset_blocks * file_.block_size, io.count_blocks * file_.block_size);
}

void UringChannel::zeroed(BdevIo& io, int32_t result) {
  if (result < 0) return end_blocking(io, failed(io, -result));
  changed();
  if (!durable(io) || io.type != BdevIoType::WriteZeroes) {
    return end_blocking(io, BdevStatus::Success);
  }
  if (io.cancel_requested) return end_blocking(io, BdevStatus::Aborted);
  const BdevStatus refused = refusal(io);
  if (refused != BdevStatus::Success) return end_blocking(io, refused);
  sync(io);
}

}  // namespace capsuled
