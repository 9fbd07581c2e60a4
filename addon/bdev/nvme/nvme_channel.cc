#include "bdev/nvme/nvme_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "bdev/bdev_status.h"
#include "bdev/nvme/nvme_status.h"
#include "reactor/reactor.h"

namespace capsuled {
namespace {

wire::IoOpcode opcode_of(BdevIoType type) {
  switch (type) {
    case BdevIoType::Read: return wire::IoOpcode::kRead;
    case BdevIoType::Write: return wire::IoOpcode::kWrite;
    case BdevIoType::Flush: return wire::IoOpcode::kFlush;
    case BdevIoType::Unmap: return wire::IoOpcode::kDatasetManagement;
    case BdevIoType::WriteZeroes: return wire::IoOpcode::kWriteZeroes;
    case BdevIoType::Compare: return wire::IoOpcode::kCompare;
  }
  UNREACHABLE();
}

// What a channel keeps with an operation. Of one that changes blocks, `scratch` is the time of the
// machine up to which no other change of its blocks was reported since it was issued first; the
// marks are in the length of `scratch_iov`, which is nobody's else.
constexpr size_t kTries = 0xff;       ///< how often it was tried again, answered
constexpr size_t kInDoubt = 0x100;    ///< it may have been carried out
constexpr size_t kOvertaken = 0x200;  ///< such a change was reported

size_t& marks(BdevIo& io) { return io.scratch_iov.iov_len; }
size_t marks(const BdevIo& io) { return io.scratch_iov.iov_len; }
uint64_t& clear_until_ns(BdevIo& io) { return io.scratch; }
/// Of one that is held: a time in the place of an address.
uint64_t held_until_ns(const BdevIo& io) {
  return reinterpret_cast<uintptr_t>(io.scratch_iov.iov_base);
}
void hold_until(BdevIo& io, uint64_t at_ns) {
  io.scratch_iov.iov_base = reinterpret_cast<void*>(static_cast<uintptr_t>(at_ns));
}

}  // namespace

NvmeChannel::NvmeChannel(Reactor& reactor, const NvmeChannelOptions& options, NvmeQueueUsers& users,
                         NvmeReactorParts& parts, const NvmeDisk& disk, BdevHealth& health)
    : reactor_(reactor),
      options_(options),
      users_(users),
      parts_(parts),
      own_(*parts[reactor.index()]),
      disk_(disk),
      health_(health),
      slots_(options.depth) {
  for (uint16_t index = options.depth; index > 0; --index) {
    Slot& slot = slots_[index - 1u];
    slot.channel = this;
    slot.complete = [](nvme::Request& request, const wire::CompletionQueueEntry& cqe) {
      Slot& done = static_cast<Slot&>(request);
      done.channel->ended(done, cqe);
    };
    free_.push_back(static_cast<uint16_t>(index - 1u));
  }
  held_timer_.channel = this;
  held_timer_.expired = [](Timer& timer) {
    static_cast<ChannelTimer&>(timer).channel->release_held();
  };
  look_back_timer_.channel = this;
  look_back_timer_.expired = [](Timer& timer) {
    static_cast<ChannelTimer&>(timer).channel->look_back();
  };
  users_.add(*this);
}

NvmeChannel::~NvmeChannel() {
  ASSERT_MSG(free_.size() == slots_.size() && line_.empty() && held_.empty(),
             "operations have not ended");
  reactor_.cancel_timer(held_timer_);
  reactor_.cancel_timer(look_back_timer_);
  users_.remove(*this);
}

/// What was latched as lost stays so until an operator knows: see BdevHealth.
BdevStatus NvmeChannel::refusal(const BdevIo& io) const {
  if (given_up_ != BdevStatus::Success) return given_up_;
  const uint32_t faults = health_.faults();
  const bool rechecks = io.backend == this;
  if (faults == 0 || rechecks) [[likely]]
    return BdevStatus::Success;
  if ((faults & kGone) != 0) return BdevStatus::Gone;
  if ((faults & kLostData) != 0) return BdevStatus::Lost;
  const bool durable = io.force_unit_access && changes_blocks(io.type);
  const bool needs_flush = io.type == BdevIoType::Flush || durable;
  return (faults & kLostFlush) != 0 && needs_flush ? BdevStatus::Lost : BdevStatus::Success;
}

/// A Flush, and if that succeeds what was latched is forgotten.
void NvmeChannel::recheck(BdevIo& io) {
  if (!disk_.is_whole()) {
    const bool is_gone = (health_.faults() & kGone) != 0;
    return bdev_complete(io, is_gone ? BdevStatus::Gone : BdevStatus::Lost);
  }
  users_.revive();
  if (given_up_ != BdevStatus::Success) return bdev_complete(io, given_up_);
  io.scratch = health_.word();
  io.backend = this;
  marks(io) = 0;
  if (!line_.empty() || !start(io)) line_.push_back(io);
}

void NvmeChannel::submit(BdevIo& io) {
  io.backend = nullptr;
  if (const BdevStatus refused = refusal(io); refused != BdevStatus::Success) [[unlikely]]
    return bdev_complete(io, refused);
  marks(io) = 0;
  if (!line_.empty() || !start(io)) line_.push_back(io);
}

void NvmeChannel::cancel(BdevIo& io) {
  if (line_.contains(io)) {
    line_.remove(io);
  } else if (held_.contains(io)) {
    held_.remove(io);
  } else {
    return;
  }
  bdev_complete(io, BdevStatus::Aborted);
}

bool NvmeChannel::run_line() {
  while (BdevIo* const io = line_.front()) {
    line_.remove(*io);
    if (const BdevStatus refused = refusal(*io); refused != BdevStatus::Success) {
      bdev_complete(*io, refused);
      continue;
    }
    if (start(*io)) continue;
    line_.push_front(*io);
    return false;
  }
  return true;
}

bool NvmeChannel::start(BdevIo& io) {
  if (qpair_ == nullptr) return false;
  if (free_.empty()) {
    users_.wait_for_room(*this);
    return false;
  }
  if ((marks(io) & kInDoubt) != 0 && was_overtaken(io)) [[unlikely]] {
    bdev_complete(io, BdevStatus::Failed);
    return true;
  }
  Slot& slot = slots_[free_.back()];
  fill(slot, io);
  if (!qpair_->submit(slot) && !start_bounced(slot)) {
    slot.io = nullptr;
    users_.wait_for_room(*this);
    return false;
  }
  free_.pop_back();
  return true;
}

/// The queue did not take it: because it does not reach the data, perhaps.
bool NvmeChannel::start_bounced(Slot& slot) {
  // What is not the operation's is the channel's, in memory that was looked at (nvme_bdev.cc).
  const bool is_its_own = slot.iov == slot.io->iov;
  if (bounces_ != nullptr || slot.bytes == 0 || !is_its_own || qpair_->reaches(slot)) return false;
  slot.place = {options_.bounce, slot.bytes};
  slot.iov = &slot.place;
  if (slot.transfer == nvme::Transfer::ToController) {
    std::byte* to = options_.bounce;
    IovCursor(slot.io->iov, slot.io->iov_count).walk(slot.bytes, [&](std::byte* at, size_t count) {
      std::memcpy(to, at, count);
      to += count;
    });
  }
  if (!qpair_->submit(slot)) return false;
  bounces_ = &slot;
  // Relaxed: a number that is only shown, and nobody else writes.
  own_.bounce_copies.store(own_.bounce_copies.load(std::memory_order_relaxed) + 1,
                           std::memory_order_relaxed);
  return true;
}

void NvmeChannel::fill(Slot& slot, BdevIo& io) {
  slot.io = &io;
  wire::SubmissionQueueEntry& sqe = slot.sqe;
  sqe = {};
  sqe.opcode = static_cast<uint8_t>(opcode_of(io.type));
  sqe.nsid.set(options_.nsid);
  slot.transfer = nvme::Transfer::None;
  slot.bytes = 0;
  slot.iov = io.iov;
  if (io.type == BdevIoType::Flush) return;
  if (changes_blocks(io.type)) {
    if ((marks(io) & kInDoubt) == 0) clear_until_ns(io) = reactor_.env().now_ns();
    if (!look_back_timer_.started()) {
      reactor_.start_timer(look_back_timer_, reactor_.now_ns() + kLookBackNs);
    }
  }
  if (io.type != BdevIoType::Unmap) return fill_blocks(slot, io);
  wire::DsmRange& range = options_.ranges[&slot - slots_.data()];
  range = {};
  range.slba.set(io.offset_blocks);
  range.nlb.set(static_cast<uint32_t>(io.count_blocks));
  sqe.cdw11.set(wire::DatasetManagementCdw11::Ad::set(0u, 1u));
  slot.place = {&range, sizeof(range)};
  slot.iov = &slot.place;
  slot.transfer = nvme::Transfer::ToController;
  slot.bytes = sizeof(range);
}

void NvmeChannel::fill_blocks(Slot& slot, const BdevIo& io) {
  wire::SubmissionQueueEntry& sqe = slot.sqe;
  sqe.cdw10.set(static_cast<uint32_t>(io.offset_blocks));
  sqe.cdw11.set(static_cast<uint32_t>(io.offset_blocks >> 32));
  uint32_t cdw12 = static_cast<uint32_t>(io.count_blocks - 1);
  if (io.force_unit_access) cdw12 = wire::LbaRangeCdw12::Fua::set(cdw12, 1u);
  sqe.cdw12.set(cdw12);
  if (io.type == BdevIoType::WriteZeroes) return;
  slot.transfer =
      io.type == BdevIoType::Read ? nvme::Transfer::FromController : nvme::Transfer::ToController;
  slot.bytes = static_cast<uint32_t>(io.count_blocks * options_.block_bytes);
}

void NvmeChannel::ended(Slot& slot, const wire::CompletionQueueEntry& cqe) {
  BdevIo& io = *std::exchange(slot.io, nullptr);
  const wire::Status status = nvme::status_of(cqe);
  if (bounces_ == &slot) {
    bounces_ = nullptr;
    if (status.is_success()) take_bounced(slot, io);
  }
  free_.push_back(static_cast<uint16_t>(&slot - slots_.data()));
  if (!status.is_success() && is_to_be_tried_again(slot, io, status)) [[unlikely]]
    return try_again(io, status);
  // It may have come back over what was reported while it was under way once more.
  const bool overtaken = (marks(io) & kInDoubt) != 0 && was_overtaken(io);
  if (changes_blocks(io.type)) {
    own_.writes.announce(reactor_.now_ns());
    own_.writes.note(io.offset_blocks, io.count_blocks, reactor_.env().now_ns());
  }
  BdevStatus is = BdevStatus::Success;
  if (!status.is_success() || io.backend != nullptr || health_.faults() != 0) [[unlikely]] {
    is = outcome(io, status);
  }
  bdev_complete(io, overtaken && is == BdevStatus::Success ? BdevStatus::Failed : is);
  users_.run_lines();
}

/// Of what the controller has answered; and what that says of the device.
BdevStatus NvmeChannel::outcome(const BdevIo& io, wire::Status status) {
  if (status.is_success()) {
    if (io.backend == this) {
      return health_.clear(io.scratch) ? BdevStatus::Success : BdevStatus::Failed;
    }
    if (changes_blocks(io.type) && (health_.faults() & kWriteProtected) != 0) health_.writable();
    return BdevStatus::Success;
  }
  const BdevStatus is = nvme_bdev_status(status);
  const int errnum = nvme_errno(is);
  if (errnum == 0) return is;
  health_.report({io.type, errnum, io.offset_blocks * options_.block_bytes});
  if (is == BdevStatus::ReadOnly) health_.raise(kWriteProtected);
  // The controller may not tell of it again.
  if (io.type == BdevIoType::Flush && nvme_was_tried(status)) health_.raise(kLostFlush);
  return is;
}

void NvmeChannel::take_bounced(const Slot& slot, const BdevIo& io) {
  if (slot.transfer != nvme::Transfer::FromController) return;
  const std::byte* from = options_.bounce;
  IovCursor(io.iov, io.iov_count).walk(slot.bytes, [&](std::byte* at, size_t count) {
    std::memcpy(at, from, count);
    from += count;
  });
}

// ---- Paths that fail ---------------------------------------------------------------------------

/// The way to the namespace failed, and not the command; or the controller says that it may come
/// again. False: it is the command's end.
bool NvmeChannel::is_to_be_tried_again(const Slot& slot, BdevIo& io, wire::Status status) {
  if (nvme_is_lost(status)) return true;
  if (nvme_is_of_path(status)) {
    if (!users_.path_failed(slot, status)) return false;
  } else if (!nvme_comes_again(status)) {
    return false;
  }
  if ((marks(io) & kTries) == kTriesMax) return false;
  ++marks(io);
  return true;
}

void NvmeChannel::try_again(BdevIo& io, wire::Status status) {
  if (changes_blocks(io.type) && !nvme_is_denied(status)) marks(io) |= kInDoubt;
  if (given_up_ != BdevStatus::Success) {
    bdev_complete(io, given_up_);
  } else if (going_ && qpair_ == nullptr) {
    bdev_complete(io, BdevStatus::Gone);
  } else if (io.cancel_requested) {
    bdev_complete(io, BdevStatus::Aborted);
  } else {
    wait_again(io, status);
  }
  if (qpair_ != nullptr) run_line();
  users_.run_lines();
}

/// It is older than what waits.
void NvmeChannel::wait_again(BdevIo& io, wire::Status status) {
  uint64_t pause_ns = (marks(io) & kInDoubt) != 0 ? users_.quiesce_ns() : 0;
  if (!nvme_is_of_path(status)) {
    // The controller is there, and busy with something else.
    pause_ns = std::max(pause_ns, kPauseMinNs << ((marks(io) & kTries) - 1));
  }
  if (pause_ns == 0) return line_.push_front(io);
  hold_until(io, reactor_.now_ns() + pause_ns);
  held_.push_back(io);
  wait_for_held();
}

void NvmeChannel::wait_for_held() {
  uint64_t at_ns = UINT64_MAX;
  held_.for_each([&](BdevIo& io) { at_ns = std::min(at_ns, held_until_ns(io)); });
  if (at_ns != UINT64_MAX) reactor_.start_timer(held_timer_, at_ns);
}

/// Each when its own time is over, whatever was lost since.
void NvmeChannel::release_held() {
  const uint64_t now_ns = reactor_.now_ns();
  for (size_t count = held_.size(); count > 0; --count) {
    BdevIo& io = *held_.pop_front();
    if (held_until_ns(io) <= now_ns) {
      line_.push_front(io);
    } else {
      held_.push_back(io);
    }
  }
  wait_for_held();
  if (qpair_ != nullptr) run_line();
}

bool NvmeChannel::was_overtaken(const BdevIo& io) const {
  if ((marks(io) & kOvertaken) != 0) return true;
  return std::ranges::any_of(parts_, [&](const auto& part) {
    return part->writes.any_since(io.offset_blocks, io.count_blocks, io.scratch);
  });
}

/// From time to time: changes that are under way for long would otherwise have to look back further
/// than the tables reach, when it comes to that.
void NvmeChannel::look_back() {
  looked_.clear();
  const auto add = [this](BdevIo& io) {
    if (changes_blocks(io.type)) looked_.push_back(&io);
  };
  for (const Slot& slot : slots_) {
    if (slot.io != nullptr) add(*slot.io);
  }
  const auto add_in_doubt = [&](BdevIo& io) {
    if ((marks(io) & kInDoubt) != 0) add(io);
  };
  line_.for_each(add_in_doubt);
  held_.for_each(add_in_doubt);
  if (looked_.empty()) return;
  reactor_.start_timer(look_back_timer_, reactor_.now_ns() + kLookBackNs);
  mark_overtaken();
}

void NvmeChannel::mark_overtaken() {
  const uint64_t now_ns = reactor_.env().now_ns();
  std::erase_if(looked_, [&](BdevIo* io) { return now_ns - clear_until_ns(*io) < kLookBackNs; });
  if (looked_.empty()) return;
  std::ranges::sort(looked_, {}, [](const BdevIo* io) { return io->offset_blocks; });
  uint64_t since_ns = UINT64_MAX;
  uint64_t blocks_max = 0;
  for (BdevIo* const io : looked_) {
    since_ns = std::min(since_ns, clear_until_ns(*io));
    blocks_max = std::max(blocks_max, io->count_blocks);
  }
  uint64_t settled_ns = UINT64_MAX;
  for (const auto& part : parts_) {
    settled_ns = std::min(settled_ns, part->writes.settled_ns(now_ns));
  }
  bool known = true;
  for (const auto& part : parts_) {
    const auto note = [&](uint64_t first, uint64_t count, uint64_t when_ns) {
      // The first of them that may reach so far.
      const uint64_t from = first > blocks_max ? first - blocks_max : 0;
      auto at = std::ranges::lower_bound(looked_, from, {},
                                         [](const BdevIo* io) { return io->offset_blocks; });
      for (; at != looked_.end() && (*at)->offset_blocks < first + count; ++at) {
        BdevIo& io = **at;
        const bool overlaps = first < io.offset_blocks + io.count_blocks;
        if (overlaps && when_ns > clear_until_ns(io)) marks(io) |= kOvertaken;
      }
    };
    if (!part->writes.visit_since(since_ns, note)) known = false;
  }
  for (BdevIo* const io : looked_) {
    if (!known) marks(*io) |= kOvertaken;
    // What was noted last may not be there yet.
    clear_until_ns(*io) = std::max(clear_until_ns(*io), settled_ns);
  }
}

// ---- The device --------------------------------------------------------------------------------

void NvmeChannel::queue_live(nvme::Qpair& qpair) {
  qpair_ = &qpair;
  run_line();
}

void NvmeChannel::queue_stopped() {
  qpair_ = nullptr;
  stopped_ns_ = reactor_.now_ns();
  if (going_) end_waiting(BdevStatus::Gone);
}

void NvmeChannel::give_up(BdevStatus status) {
  given_up_ = status;
  end_waiting(status);
}

void NvmeChannel::let_go() {
  going_ = true;
  if (qpair_ == nullptr) end_waiting(BdevStatus::Gone);
}

void NvmeChannel::end_waiting(BdevStatus status) {
  while (BdevIo* const io = line_.pop_front()) bdev_complete(*io, status);
  while (BdevIo* const io = held_.pop_front()) bdev_complete(*io, status);
}

/// What has waited for the controller for too long ends.
void NvmeChannel::tick() {
  const uint64_t now_ns = reactor_.now_ns();
  while (BdevIo* const io = line_.front()) {
    const uint64_t since_ns = std::max(io->submitted_ns, stopped_ns_);
    if (qpair_ != nullptr || since_ns > now_ns || now_ns - since_ns <= options_.timeout_ns) return;
    line_.remove(*io);
    bdev_complete(*io, BdevStatus::Gone);
  }
}

uint64_t NvmeChannel::oldest_ns() const {
  uint64_t oldest_ns = line_.empty() ? UINT64_MAX : line_.front()->submitted_ns;
  if (!held_.empty()) oldest_ns = std::min(oldest_ns, held_.front()->submitted_ns);
  for (const Slot& slot : slots_) {
    if (slot.io != nullptr) oldest_ns = std::min(oldest_ns, slot.io->submitted_ns);
  }
  return oldest_ns;
}

}  // namespace capsuled
