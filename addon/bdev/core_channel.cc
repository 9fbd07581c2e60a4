#include "bdev/core_channel.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include "bdev/bdev_status.h"
#include "bdev/pieces.h"
#include "bdev/reactor_channels.h"
#include "reactor/reactor_stats.h"

namespace capsuled {

namespace {

constexpr uint32_t bit(BdevIoState state) { return 1u << static_cast<uint32_t>(state); }

/// Indexed by the state left: the states that may follow.
constexpr std::array<uint32_t, kBdevIoStateCount> kTransitions = {
    bit(BdevIoState::Backend) | bit(BdevIoState::Pieces) | bit(BdevIoState::Ended),  // Idle
    bit(BdevIoState::Ended),                                                         // Backend
    bit(BdevIoState::Ended),                                                         // Pieces
    bit(BdevIoState::Idle) | bit(BdevIoState::Pieces),                               // Ended
};

bool carries_data(BdevIoType type) {
  return type == BdevIoType::Read || type == BdevIoType::Write || type == BdevIoType::Compare;
}

uint64_t limit_or_none(uint64_t limit) { return limit == 0 ? UINT64_MAX : limit; }

}  // namespace

void BdevIo::set_state(BdevIoState next) {
  ASSERT_MSG((kTransitions[static_cast<size_t>(state)] & bit(next)) != 0,
             "a BdevIo completed twice, or submitted while in flight");
  state = next;
}

void bdev_complete(BdevIo& io, BdevStatus status) {
  ASSERT_MSG(io.state == BdevIoState::Backend, "completed by a backend that does not have it");
  io.channel->end(io, status);
}

void BdevChannel::recheck(BdevIo& io) { bdev_complete(io, BdevStatus::Success); }

void bdev_give_back(BdevIo& io) {
  ASSERT(io.lent && io.state == BdevIoState::Idle);
  io.lent = false;
  if (io.lender != nullptr) io.lender->give_back(io);
}

CoreChannel* CoreChannel::acquire(Reactor& reactor, const std::shared_ptr<BdevEntry>& entry) {
  return ReactorChannels::of(reactor).acquire(entry);
}

void CoreChannel::release() { table_.release(*this); }

CoreChannel::CoreChannel(Reactor& reactor, ReactorChannels& table, std::shared_ptr<BdevEntry> entry,
                         uint32_t number)
    : reactor_(reactor),
      table_(table),
      entry_(std::move(entry)),
      facts_(entry_->bdev->facts()),
      stats_(*entry_->stats.at(reactor.index())),
      oldest_ns_(entry_->oldest_ns.at(reactor.index())),
      backend_(entry_->bdev->make_channel(reactor)),
      number_(number),
      transfer_blocks_max_(limit_or_none(facts_.transfer_bytes_max / facts_.block_size)),
      zero_blocks_max_(limit_or_none(facts_.zero_blocks_max)) {
  ASSERT(backend_ != nullptr);
  const bool limited = facts_.transfer_bytes_max != 0 || facts_.boundary_blocks != 0;
  ASSERT(!limited || (!facts_.lends_reads && !facts_.takes_data_at_once));
  ASSERT(!facts_.takes_data_at_once || facts_.can_compare);
  // Relaxed: only the way down to zero orders anything.
  entry_->channel_count.fetch_add(1, std::memory_order_relaxed);
}

CoreChannel::~CoreChannel() {
  set_stat(oldest_ns_, UINT64_MAX);
  pieces_.reset();
  backend_.reset();
  // Release: pairs with the acquire in BdevRegistry::remove, which destroys the bdev that this
  // channel used until here.
  entry_->channel_count.fetch_sub(1, std::memory_order_release);
}

void CoreChannel::assert_valid(const BdevIo& io) const {
  ASSERT(io.state == BdevIoState::Idle && io.complete != nullptr);
  if (io.type == BdevIoType::Flush) return;
  ASSERT(io.count_blocks > 0 && io.count_blocks <= facts_.block_count);
  ASSERT(io.offset_blocks <= facts_.block_count - io.count_blocks);
  if (!carries_data(io.type) || io.lent) return;
  uint64_t bytes = 0;
  uintptr_t low_bits = 0;
  for (uint32_t index = 0; index < io.iov_count; ++index) {
    bytes += io.iov[index].iov_len;
    low_bits |= reinterpret_cast<uintptr_t>(io.iov[index].iov_base) | io.iov[index].iov_len;
  }
  ASSERT_MSG((low_bits & (facts_.buffer_alignment - 1)) == 0,
             "an iovec is not aligned as the bdev needs it");
  ASSERT_MSG(bytes == io.count_blocks * facts_.block_size, "the iovecs do not cover the blocks");
}

bool CoreChannel::goes_whole(const BdevIo& io, PieceKind& kind) const {
  kind = PieceKind::Same;
  switch (io.type) {
    case BdevIoType::Flush: return true;
    case BdevIoType::Unmap: return io.count_blocks <= zero_blocks_max_;
    case BdevIoType::WriteZeroes:
      if (facts_.can_write_zeroes && !write_zeroes_refused_) {
        return io.count_blocks <= zero_blocks_max_;
      }
      kind = PieceKind::ZeroByWrite;
      return false;
    case BdevIoType::Compare:
      if (!facts_.can_compare) {
        kind = PieceKind::CompareByRead;
        return false;
      }
      [[fallthrough]];
    case BdevIoType::Read:
    case BdevIoType::Write:
      if (io.count_blocks > transfer_blocks_max_) return false;
      if (facts_.boundary_blocks == 0) return true;
      return io.offset_blocks % facts_.boundary_blocks + io.count_blocks <= facts_.boundary_blocks;
  }
  UNREACHABLE();
}

void CoreChannel::begin(BdevIo& io) {
  assert_valid(io);
  io.channel = this;
  io.parent = nullptr;
  io.status = BdevStatus::Success;
  io.progress.kind = PieceKind::Same;
  io.submitted_ns = reactor_.now_ns();
  ++in_flight_;
}

void CoreChannel::submit(BdevIo& io) {
  begin(io);
  if (io.cancel_requested) [[unlikely]]
    return end(io, BdevStatus::Aborted);
  if (facts_.read_only && changes_blocks(io.type)) return end(io, BdevStatus::ReadOnly);
  if (io.type == BdevIoType::Unmap && !facts_.can_unmap) return end(io, BdevStatus::Unsupported);
  PieceKind kind;
  if (goes_whole(io, kind)) [[likely]] {
    io.set_state(BdevIoState::Backend);
    backend_->submit(io);
    return;
  }
  // Made on first need: most channels never split, and the pool of pieces has a size.
  if (pieces_ == nullptr) pieces_ = std::make_unique<Pieces>(*this);
  pieces_->start(io, kind);
}

void CoreChannel::recheck(BdevIo& io) {
  ASSERT(io.type == BdevIoType::Flush);
  begin(io);
  io.set_state(BdevIoState::Backend);
  backend_->recheck(io);
}

void CoreChannel::tick() {
  backend_->tick();
  set_stat(oldest_ns_, backend_->oldest_ns());
}

bool CoreChannel::lend(BdevIo& io) {
  ASSERT(io.type == BdevIoType::Read && io.state == BdevIoState::Idle && !io.lent);
  io.lent = facts_.lends_reads && backend_->lend(io);
  return io.lent;
}

void CoreChannel::cancel(BdevIo& io) {
  ASSERT(io.channel == this && io.parent == nullptr && io.state != BdevIoState::Idle);
  if (io.cancel_requested) return;
  io.cancel_requested = true;
  // ended() may have more to do for it.
  if (io.state == BdevIoState::Ended) return;
  if (io.state == BdevIoState::Pieces) return pieces_->cancel(io);
  backend_->cancel(io);
}

void CoreChannel::end(BdevIo& io, BdevStatus status) {
  io.status = status;
  io.set_state(BdevIoState::Ended);
  table_.push_ended(io);
}

void CoreChannel::ended(BdevIo& io) {
  if (io.parent != nullptr) return pieces_->ended(io);
  const bool refused = io.type == BdevIoType::WriteZeroes && io.status == BdevStatus::Unsupported;
  if (refused && io.progress.kind != PieceKind::ZeroByWrite) {
    // Some devices say that they can and only find out when asked.
    write_zeroes_refused_ = true;
    io.status = BdevStatus::Success;
    if (pieces_ == nullptr) pieces_ = std::make_unique<Pieces>(*this);
    return pieces_->start(io, PieceKind::ZeroByWrite);
  }
  count(io);
  ASSERT(in_flight_ > 0);
  --in_flight_;
  io.set_state(BdevIoState::Idle);
  // The last use of this channel: `complete` may release it.
  io.complete(io);
}

void CoreChannel::count(const BdevIo& io) {
  BdevOperationStats& stats = stats_.by_type[static_cast<size_t>(io.type)];
  add_stat(stats.operations, 1);
  add_stat(stats.latency_ns, reactor_.now_ns() - io.submitted_ns);
  if (io.status != BdevStatus::Success) {
    add_stat(stats.errors, 1);
  } else if (io.type != BdevIoType::Flush) {
    add_stat(stats.bytes, io.count_blocks * facts_.block_size);
  }
}

}  // namespace capsuled
