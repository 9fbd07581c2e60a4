#include "bdev/uring/uring_channel.h"

#include <cerrno>

#include "bdev/bdev_status.h"
#include "reactor/reactor.h"

namespace capsuled {

namespace {

BdevStatus status_of(int32_t result) {
  return result < 0 ? bdev_status_from_errno(-result) : BdevStatus::Success;
}

/// For operations whose end says it all: Flush.
void finish(env::RingOp& op, env::Completion completion) {
  bdev_complete(BdevIo::of(op), status_of(completion.result));
}

}  // namespace

void UringChannel::submit(BdevIo& io) {
  // The ring's callback has nothing but the operation.
  io.backend = this;
  io.scratch = 0;
  switch (io.type) {
    case BdevIoType::Read:
    case BdevIoType::Write: return begin(io);
    case BdevIoType::Flush: io.op.complete = finish; return ring_.sync_data(io.op, file_.fd);
    case BdevIoType::Unmap:
    case BdevIoType::WriteZeroes: return zero(io);
    case BdevIoType::Compare: break;
  }
  UNREACHABLE();  // the core emulates Compare
}

void UringChannel::cancel(BdevIo& io) {
  if (!line_.contains(io)) return ring_.cancel(io.op);
  line_.remove(io);
  reserve_.left();
  bdev_complete(io, BdevStatus::Aborted);
}

void UringChannel::begin(BdevIo& io) {
  line_.push_back(io);
  if (reserve_.came(reactor_.now_ns())) transfer(*line_.pop_front());
}

void UringChannel::end(BdevIo& io, BdevStatus status) {
  if (reserve_.ended(reactor_.now_ns())) transfer(*line_.pop_front());
  bdev_complete(io, status);
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
    static_cast<UringChannel*>(done.backend)->transferred(done, completion.result);
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
  if (result < 0) return end(io, status_of(result));
  // Nothing moved: the file ends before the blocks do, because someone cut it short below us.
  if (result == 0) return end(io, BdevStatus::MediaError);
  io.scratch += static_cast<uint64_t>(result);
  const uint64_t length = io.count_blocks * file_.block_size;
  ASSERT(io.scratch <= length);
  if (io.scratch == length) return end(io, BdevStatus::Success);
  if (io.cancel_requested) return end(io, BdevStatus::Aborted);
  transfer(io);
}

void UringChannel::zero(BdevIo& io) {
  io.op.complete = [](env::RingOp& op, env::Completion completion) {
    BdevIo& done = BdevIo::of(op);
    static_cast<UringChannel*>(done.backend)->zeroed(done, completion.result);
  };
  // On a block device, punching a hole is refused by those that cannot zero by themselves; there
  // ZeroRange lets the kernel write the zeros.
  const bool range = file_.block_device && io.type == BdevIoType::WriteZeroes;
  ring_.allocate(io.op, file_.fd,
                 range ? env::AllocateMode::ZeroRange : env::AllocateMode::PunchHole,
                 io.offset_blocks * file_.block_size, io.count_blocks * file_.block_size);
}

void UringChannel::zeroed(BdevIo& io, int32_t result) {
  const bool durable = io.type == BdevIoType::WriteZeroes && io.force_unit_access;
  if (result < 0 || !durable) return bdev_complete(io, status_of(result));
  io.op.complete = finish;
  ring_.sync_data(io.op, file_.fd);
}

}  // namespace capsuled
