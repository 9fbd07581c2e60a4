#include "perf/bdev_qpair.h"

#include <utility>

#include "base/assert.h"
#include "bdev/core_channel.h"
#include "nvmf/bdev_status.h"
#include "wire/io_command.h"

namespace capsuled::perf {

BdevQpair::BdevQpair(uint32_t depth) : slots_(depth) {
  for (uint32_t index = depth; index > 0; --index) {
    Slot& slot = slots_[index - 1];
    slot.qpair = this;
    slot.io.user = &slot;
    slot.io.iov = &slot.data;
    slot.io.iov_count = 1;
    slot.io.complete = [](BdevIo& io) {
      auto& done = *static_cast<Slot*>(io.user);
      done.qpair->ended(done);
    };
    free_.push_back(index - 1);
  }
}

BdevQpair::~BdevQpair() { ASSERT_MSG(outstanding() == 0, "operations have not ended"); }

void BdevQpair::set_channel(CoreChannel* channel) {
  ASSERT(outstanding() == 0);
  channel_ = channel;
}

bool BdevQpair::submit(nvme::Request& request) {
  if (channel_ == nullptr || free_.empty()) return false;
  const auto opcode = static_cast<wire::IoOpcode>(request.sqe.opcode);
  ASSERT(opcode == wire::IoOpcode::kRead || opcode == wire::IoOpcode::kWrite);
  ASSERT(request.iov->iov_len >= request.bytes);
  Slot& slot = slots_[free_.back()];
  free_.pop_back();
  slot.request = &request;
  slot.data = {request.iov->iov_base, request.bytes};
  const wire::LbaRangeCommand command(request.sqe);
  BdevIo& io = slot.io;
  io.type = opcode == wire::IoOpcode::kRead ? BdevIoType::Read : BdevIoType::Write;
  io.force_unit_access = command.fua();
  io.offset_blocks = command.slba();
  io.count_blocks = command.block_count();
  channel_->submit(io);
  return true;
}

void BdevQpair::ended(Slot& slot) {
  nvme::Request& request = *std::exchange(slot.request, nullptr);
  free_.push_back(static_cast<uint32_t>(&slot - slots_.data()));
  wire::CompletionQueueEntry cqe = {};
  cqe.status.set(nvmf::nvme_status(slot.io.status, slot.io.type).pack());
  request.complete(request, cqe);
}

}  // namespace capsuled::perf
