#include "bdev/core_channel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include "bdev/bdev_status.h"
#include "bdev/pieces.h"
#include "bdev/qos_gate.h"
#include "bdev/reactor_channels.h"
#include "reactor/reactor_stats.h"

namespace capsuled {

namespace {

constexpr uint32_t bit(BdevIoState state) { return 1u << static_cast<uint32_t>(state); }

/// Indexed by the state left: the states that may follow.
constexpr std::array<uint32_t, kBdevIoStateCount> kTransitions = {
    bit(BdevIoState::Backend) | bit(BdevIoState::Pieces) | bit(BdevIoState::Ended) |
        bit(BdevIoState::Waiting),                                                   // Idle
    bit(BdevIoState::Ended) | bit(BdevIoState::Pieces) | bit(BdevIoState::Waiting),  // Backend
    bit(BdevIoState::Ended),                                                         // Pieces
    bit(BdevIoState::Idle) | bit(BdevIoState::Pieces) | bit(BdevIoState::Backend),   // Ended
    bit(BdevIoState::Backend) | bit(BdevIoState::Pieces) | bit(BdevIoState::Ended),  // Waiting
};

bool carries_data(BdevIoType type) {
  return type == BdevIoType::Read || type == BdevIoType::Write || type == BdevIoType::Compare;
}

std::unique_ptr<BdevChannel> made_channel(Bdev& bdev, Reactor& reactor) {
  std::unique_ptr<BdevChannel> channel = bdev.make_channel(reactor);
  ASSERT(channel != nullptr);
  return channel;
}

uint64_t limit_or_none(uint64_t limit) { return limit == 0 ? UINT64_MAX : limit; }

constexpr uint32_t bit(BdevIoType type) { return 1u << static_cast<uint32_t>(type); }

/// Those that the backend takes as they are, whatever their blocks.
uint32_t types_that_go_whole(const BdevFacts& facts) {
  uint32_t types = bit(BdevIoType::Flush);
  if (facts.transfer_bytes_max == 0 && facts.boundary_blocks == 0) {
    types |= bit(BdevIoType::Read);
    if (facts.can_compare) types |= bit(BdevIoType::Compare);
    if (!facts.read_only) types |= bit(BdevIoType::Write);
  }
  const auto add = [&](bool can, uint64_t blocks_max, BdevIoType type) {
    if (can && blocks_max == 0 && !facts.read_only) types |= bit(type);
  };
  add(facts.can_unmap, facts.unmap_blocks_max, BdevIoType::Unmap);
  add(facts.can_write_zeroes, facts.zero_blocks_max, BdevIoType::WriteZeroes);
  return types;
}

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

void bdev_keep(BdevIo& io) { io.set_state(BdevIoState::Backend); }

void BdevChannel::recheck(BdevIo& io) { bdev_complete(io, BdevStatus::Success); }

void CoreChannel::end_loan(BdevIo& io) {
  ASSERT(io.lent);
  io.lent = false;
  if (io.lender != nullptr) io.lender->give_back(io);
}

void bdev_give_back(BdevIo& io) {
  ASSERT(io.state == BdevIoState::Idle);
  CoreChannel::end_loan(io);
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
      backend_(made_channel(*entry_->bdev, reactor)),
      loan_(backend_->lends_as()),
      budget_(entry_->bdev->budget()),
      number_(number),
      frame_(entry_->bdev->level() - 1),
      block_size_(facts_.block_size),
      transfer_blocks_max_(limit_or_none(facts_.transfer_bytes_max / facts_.block_size)),
      zero_blocks_max_(limit_or_none(facts_.zero_blocks_max)),
      unmap_blocks_max_(limit_or_none(facts_.unmap_blocks_max)),
      whole_(types_that_go_whole(facts_)) {
  const bool limited = facts_.transfer_bytes_max != 0 || facts_.boundary_blocks != 0;
  ASSERT(!limited || (!facts_.lends_reads && !facts_.takes_data_at_once));
  ASSERT(!facts_.takes_data_at_once || facts_.can_compare);
  refresh();
  // Relaxed: only the way down to zero orders anything.
  entry_->channel_count.fetch_add(1, std::memory_order_relaxed);
}

CoreChannel::~CoreChannel() {
  set_stat(oldest_ns_, UINT64_MAX);
  pieces_.reset();
  gate_.reset();
  backend_.reset();
  // Release: pairs with the acquire in BdevRegistry::remove, which destroys the bdev that this
  // channel used until here.
  entry_->channel_count.fetch_sub(1, std::memory_order_release);
}

void CoreChannel::assert_valid(const BdevIo& io) const {
  ASSERT(io.state == BdevIoState::Idle && io.complete != nullptr);
  assert_fits(io);
}

void CoreChannel::assert_fits(const BdevIo& io) const {
  if (io.type == BdevIoType::Flush) return;
  ASSERT(io.count_blocks > 0 && io.count_blocks <= block_count_);
  ASSERT(io.offset_blocks <= block_count_ - io.count_blocks);
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
    case BdevIoType::Unmap: return io.count_blocks <= unmap_blocks_max_;
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
  io.above = nullptr;
  io.parent = nullptr;
  io.status = BdevStatus::Success;
  io.progress.kind = PieceKind::Same;
  io.submitted_ns = reactor_.now_ns();
  ++in_flight_;
}

/// Whether `io` needs nothing from here but to be passed on.
[[gnu::always_inline]] inline bool CoreChannel::takes_whole(const BdevIo& io) const {
  return (whole_ & bit(io.type)) != 0 && !io.cancel_requested;
}

/// `io` comes from the layer that has it now.
[[gnu::always_inline]] inline void CoreChannel::enter(BdevIo& io, uint64_t offset_blocks) {
  ASSERT(io.type == BdevIoType::Flush || offset_blocks + io.count_blocks <= block_count_);
  CoreChannel& layer = *io.channel;
  BdevFrame& frame = layer.frame(io);
  frame.above = io.above;
  frame.offset_blocks = io.offset_blocks;
  io.above = &layer;
  io.channel = this;
  io.offset_blocks = offset_blocks;
  ++in_flight_;
}

/// To the backend, through all layers that leave `io` as it is.
[[gnu::always_inline]] inline void CoreChannel::pass_on(BdevIo& io) {
  const CoreChannel* at = this;
  while (CoreChannel* const base = at->passes_to_.base) {
    base->enter(io, io.offset_blocks + at->passes_to_.first_block);
    if (!base->takes_whole(io)) [[unlikely]]
      return base->start(io);
    at = base;
  }
  at->backend_->submit(io);
}

void CoreChannel::submit(BdevIo& io) {
  begin(io);
  if (!takes_whole(io)) [[unlikely]]
    return start(io);
  io.set_state(BdevIoState::Backend);
  pass_on(io);
}

void CoreChannel::forward(BdevIo& io, uint64_t offset_blocks) {
  enter(io, offset_blocks);
  if (!takes_whole(io)) [[unlikely]]
    return start(io);
  pass_on(io);
}

/// What cannot be done as it is, or not always.
void CoreChannel::start(BdevIo& io) {
  io.progress.kind = PieceKind::Same;
  if (io.cancel_requested) return end(io, BdevStatus::Aborted);
  if (facts_.read_only && changes_blocks(io.type)) return end(io, BdevStatus::ReadOnly);
  if (io.type == BdevIoType::Unmap && !facts_.can_unmap) return end(io, BdevStatus::Unsupported);
  if (gate_ != nullptr && !gate_->admit(io)) return io.set_state(BdevIoState::Waiting);
  go_on(io);
}

/// No limit holds it back.
void CoreChannel::go_on(BdevIo& io) {
  PieceKind kind;
  if (goes_whole(io, kind)) {
    if (io.state != BdevIoState::Backend) io.set_state(BdevIoState::Backend);
    return pass_on(io);
  }
  // Made on first need: most channels never split, and the pool of pieces has a size.
  if (pieces_ == nullptr) pieces_ = std::make_unique<Pieces>(*this);
  pieces_->start(io, kind);
}

/// `io` has waited. That is time of the operation, here and in each layer above, and none of the
/// device.
void CoreChannel::let_through(BdevIo& io) {
  const uint64_t now_ns = reactor_.now_ns();
  const uint64_t waited_ns = now_ns - io.submitted_ns;
  io.submitted_ns = now_ns;
  const auto count = [&](const CoreChannel& at) {
    add_stat(at.stats_.by_type[static_cast<size_t>(io.type)].latency_ns, waited_ns);
  };
  const CoreChannel* at = this;
  for (const CoreChannel* above = io.above; above != nullptr; above = above->frame(io).above) {
    count(*at);
    at = above;
  }
  // A piece is no operation of the channel that it was made in.
  if (io.parent == nullptr) count(*at);
  go_on(io);
}

void CoreChannel::let_go() {
  going_ = true;
  use_limits();
  backend_->let_go();
}

/// Takes those that the bdev has now. What waits goes through, if they allow it.
void CoreChannel::use_limits() {
  const std::shared_ptr<QosBudget> budget = going_ ? nullptr : budget_.get();
  if (gate_ == nullptr) {
    if (budget == nullptr) return;
    gate_ = std::make_unique<QosGate>(
        reactor_, block_size_, [](BdevIo& io) { io.channel->let_through(io); }, stats_.qos_delayed);
  }
  gate_->set(budget);
  whole_ = types_that_go_whole(facts_);
  if (write_zeroes_refused_) whole_ &= ~bit(BdevIoType::WriteZeroes);
  for (size_t type = 0; type < kBdevIoTypeCount; ++type) {
    const auto limited = static_cast<BdevIoType>(type);
    if (gate_->limits(limited)) whole_ &= ~bit(limited);
  }
}

bool CoreChannel::is_limited() const {
  return (gate_ != nullptr && gate_->limits()) || backend_->base_is_limited();
}

void CoreChannel::recheck(BdevIo& io) {
  ASSERT(io.type == BdevIoType::Flush);
  begin(io);
  io.set_state(BdevIoState::Backend);
  backend_->recheck(io);
}

void CoreChannel::refresh() {
  // Looked at before what is below looks, which has them then, too.
  const uint64_t block_count = entry_->bdev->block_count();
  backend_->refresh();
  block_count_ = block_count;
  passes_to_ = backend_->passes_to();
  looks_at_ends_ = backend_->looks_at_ends();
  use_limits();
  const bool limited = is_limited();
  takes_data_at_once_ = facts_.takes_data_at_once && !limited;
  may_keep_ = limited || (facts_.has_device && backend_->may_keep());
}

void CoreChannel::tick() {
  backend_->tick();
  set_stat(oldest_ns_, backend_->oldest_ns());
}

bool CoreChannel::hangs() const {
  const auto is_old = [now_ns = reactor_.now_ns()](uint64_t submitted_ns) {
    return submitted_ns < now_ns && now_ns - submitted_ns >= kHangsAfterNs;
  };
  // The oldest that tick() has noted may have ended since.
  if (is_old(oldest_ns_) && is_old(backend_->oldest_ns())) return true;
  if (gate_ != nullptr && is_old(gate_->oldest_ns())) return true;
  return backend_->base_hangs();
}

bool CoreChannel::lend(BdevIo& io) {
  ASSERT(io.state == BdevIoState::Idle);
  return begin_loan(io);
}

bool CoreChannel::begin_loan(BdevIo& io) {
  ASSERT(io.type == BdevIoType::Read && !io.lent);
  if (!facts_.lends_reads) return false;
  io.offset_blocks += loan_.first_block;
  io.lent = loan_.lender->lend(io);
  io.offset_blocks -= loan_.first_block;
  return io.lent;
}

/// Whether it was submitted here, and is here or further down.
bool CoreChannel::has(const BdevIo& io) const {
  const CoreChannel* at = io.channel;
  for (const CoreChannel* above = io.above; above != nullptr;) {
    at = above;
    above = io.frames[at->frame_].above;
  }
  return at == this;
}

void CoreChannel::cancel(BdevIo& io) {
  ASSERT(has(io) && io.parent == nullptr && io.state != BdevIoState::Idle);
  if (io.cancel_requested) return;
  io.cancel_requested = true;
  io.channel->cancel_here(io);
}

/// Where it is now.
void CoreChannel::cancel_here(BdevIo& io) {
  // ended() may have more to do for it.
  if (io.state == BdevIoState::Ended) return;
  if (io.state == BdevIoState::Pieces) return pieces_->cancel(io);
  if (io.state == BdevIoState::Waiting) {
    gate_->cancel(io);
    return end(io, BdevStatus::Aborted);
  }
  backend_->cancel(io);
}

void CoreChannel::end(BdevIo& io, BdevStatus status) {
  io.status = status;
  io.set_state(BdevIoState::Ended);
  table_.push_ended(io);
}

[[gnu::always_inline]] inline void CoreChannel::leave(const BdevIo& io, BdevIoType type,
                                                      uint64_t took_ns) {
  BdevOperationStats& stats = stats_.by_type[static_cast<size_t>(type)];
  add_stat(stats.operations, 1);
  add_stat(stats.latency_ns, took_ns);
  if (io.status != BdevStatus::Success) [[unlikely]] {
    add_stat(stats.errors, 1);
  } else if (type != BdevIoType::Flush) {
    add_stat(stats.bytes, io.count_blocks * block_size_);
  }
  --in_flight_;
  ASSERT(in_flight_ != UINT32_MAX);
}

void CoreChannel::ended(BdevIo& io) {
  if (io.status == BdevStatus::Unsupported && io.channel->zeroes_otherwise(io)) [[unlikely]]
    return;
  climb(io);
}

/// From where `io` has ended.
[[gnu::always_inline]] inline void CoreChannel::climb(BdevIo& io) {
  CoreChannel* at = io.channel;
  const BdevIoType type = io.type;
  const uint64_t took_ns = at->now_ns() - io.submitted_ns;
  while (CoreChannel* const layer = io.above) {
    at->leave(io, type, took_ns);
    // From here on who is above may release the channel that it had.
    const BdevFrame& frame = layer->frame(io);
    io.channel = layer;
    io.above = frame.above;
    io.offset_blocks = frame.offset_blocks;
    at = layer;
    if (layer->looks_at_ends_) [[unlikely]]
      return layer->show_end(io);
  }
  if (io.parent != nullptr) return at->pieces_->ended(io);
  at->leave(io, type, took_ns);
  io.set_state(BdevIoState::Idle);
  // The last use of this channel: `complete` may release it.
  io.complete(io);
}

/// Out of line: what the call to the layer needs is not to be kept ready for those that do not
/// look.
[[gnu::noinline]] void CoreChannel::show_end(BdevIo& io) {
  if (backend_->forwarded(io)) climb(io);
}

/// Some devices say that they can write zeros, and only find out when asked.
bool CoreChannel::zeroes_otherwise(BdevIo& io) {
  const bool is_piece = io.above == nullptr && io.parent != nullptr;
  const bool tried = is_piece || io.progress.kind == PieceKind::ZeroByWrite;
  if (io.type != BdevIoType::WriteZeroes || tried) return false;
  write_zeroes_refused_ = true;
  whole_ &= ~bit(BdevIoType::WriteZeroes);
  io.status = BdevStatus::Success;
  if (pieces_ == nullptr) pieces_ = std::make_unique<Pieces>(*this);
  pieces_->start(io, PieceKind::ZeroByWrite);
  return true;
}

}  // namespace capsuled
