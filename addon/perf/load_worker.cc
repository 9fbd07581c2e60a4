#include "perf/load_worker.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/prng.h"
#include "wire/io_command.h"

namespace capsuled::perf {
namespace {

/// How many places are tried when others are at work where the workload points.
constexpr int kChoicesMax = 16;
/// Verified without a region: so much of the namespace, since every block needs some memory.
constexpr uint64_t kVerifyRegionBytes = uint64_t{1} << 30;
constexpr uint64_t kBurstNs = 10'000'000;
constexpr uint64_t kTickNs = 1'000'000;

}  // namespace

LoadWorker::LoadWorker(Reactor& reactor, LoadTarget& target, const LoadOptions& options,
                       void (*done)(void*), void* argument)
    : reactor_(reactor),
      options_(options),
      done_(done),
      argument_(argument),
      path_(target.path(options.worker_index)) {
  timer_.worker = this;
  timer_.expired = [](Timer& timer) { static_cast<TickTimer&>(timer).worker->tick(); };
}

LoadWorker::~LoadWorker() {
  ASSERT(state_ == State::Idle || state_ == State::Done);
  while (idle_.pop_front() != nullptr) {
  }
  if (state_ == State::Done) reactor_.remove_poller(*this);
}

void LoadWorker::start() {
  ASSERT(state_ == State::Idle);
  state_ = State::Connecting;
  reactor_.add_poller(*this);
  path_.open(*this);
  tick();
}

void LoadWorker::stop() { stop_asked_ = true; }

// ---- The path ----------------------------------------------------------------------------------

void LoadWorker::path_live() {
  ASSERT(state_ == State::Connecting);
  if (reconnecting_) {
    reconnecting_ = false;
    ++report_.reconnects;
    for (size_t index = 0; index < ios_.size(); ++index) ios_[index]->qpair = &qpair_of(index);
    state_ = resume_;
    reconnect_at_ns_ = reactor_.now_ns() + options_.reconnect_ns;
    return;
  }
  if (std::string failure = prepare(); !failure.empty()) {
    report_.failure = std::move(failure);
    leave();
    return;
  }
  state_ = State::WarmUp;
  phase_ends_ns_ = reactor_.now_ns() + options_.warm_up_ns;
  reconnect_at_ns_ = reactor_.now_ns() + options_.reconnect_ns;
}

void LoadWorker::path_closed(const std::string& reason) {
  // Everything that was outstanding has completed.
  ASSERT(outstanding_ == 0);
  if (reconnecting_ && reason.empty() && state_ == State::Connecting) {
    path_.open(*this);
    return;
  }
  if (state_ != State::Leaving) {
    if ((reconnecting_ ? resume_ : state_) == State::Measuring) end_measuring();
    report_.failure = reason;
  }
  finish();
}

/// Sizes, memory and place, now that the namespace is known.
std::string LoadWorker::prepare() {
  const nvme::NamespaceFacts& facts = path_.facts();
  report_.block_bytes = facts.block_bytes;
  report_.block_count = facts.block_count;
  report_.model = facts.model;
  report_.serial = facts.serial;
  report_.firmware = facts.firmware;
  report_.qpairs = path_.qpair_count();
  if (std::string failure = choose_region(facts); !failure.empty()) return failure;
  if (std::string failure = check_sizes(facts); !failure.empty()) return failure;
  options_.workload.block_bytes = facts.block_bytes;
  options_.workload.first_lba = first_lba_;
  options_.workload.block_count = region_blocks_;
  options_.workload.seed += options_.worker_index;
  Result<Workload> workload = Workload::create(options_.workload);
  if (!workload.ok()) return workload.error().what;
  workload_ = std::make_unique<Workload>(std::move(workload).value());
  if (options_.verify) {
    Result<Verifier> verifier = Verifier::create({.seed = options_.workload.seed,
                                                  .block_bytes = facts.block_bytes,
                                                  .first_lba = first_lba_,
                                                  .block_count = region_blocks_});
    if (!verifier.ok()) return std::string("verify: ") + verifier.error().what;
    verifier_ = std::make_unique<Verifier>(std::move(verifier).value());
  }
  if (options_.rate_iops > 0) {
    const uint64_t burst = std::max<uint64_t>(options_.rate_iops * kBurstNs / 1'000'000'000, 1);
    limiter_ = std::make_unique<RateLimiter>(options_.rate_iops, burst, reactor_.now_ns());
  }
  return allocate();
}

std::string LoadWorker::choose_region(const nvme::NamespaceFacts& facts) {
  block_shift_ = static_cast<uint32_t>(std::countr_zero(facts.block_bytes));
  const uint64_t namespace_bytes = facts.block_count << block_shift_;
  uint64_t region_bytes = options_.region_bytes;
  if (region_bytes == 0 && options_.verify) region_bytes = kVerifyRegionBytes;
  if (options_.region_offset >= namespace_bytes ||
      options_.region_offset % facts.block_bytes != 0) {
    return "the offset is not a block of the namespace, which has " +
           std::to_string(namespace_bytes) + " bytes in blocks of " +
           std::to_string(facts.block_bytes);
  }
  const uint64_t there = namespace_bytes - options_.region_offset;
  if (region_bytes == 0) region_bytes = there;
  if (options_.region_bytes > there) {
    return "the namespace ends before the region: it has " + std::to_string(namespace_bytes) +
           " bytes";
  }
  region_bytes = std::min(region_bytes, there);
  region_blocks_ = region_bytes >> block_shift_;
  first_lba_ = options_.region_offset >> block_shift_;
  if (options_.verify) {
    region_blocks_ /= options_.worker_count;
    first_lba_ += region_blocks_ * options_.worker_index;
  }
  return "";
}

std::string LoadWorker::check_sizes(const nvme::NamespaceFacts& facts) const {
  for (const IoSize& size : options_.workload.sizes) {
    const std::string io = "an I/O of " + std::to_string(size.io_bytes) + " bytes";
    if (size.io_bytes > facts.transfer_bytes_max) {
      return io +
             " is more than the target takes at once: " + std::to_string(facts.transfer_bytes_max);
    }
    if (size.io_bytes % facts.block_bytes != 0) {
      return io + " is not a multiple of the namespace's block of " +
             std::to_string(facts.block_bytes);
    }
  }
  return "";
}

nvme::Qpair& LoadWorker::qpair_of(size_t index) {
  return path_.qpair(static_cast<uint32_t>(index % path_.qpair_count()));
}

std::string LoadWorker::allocate() {
  uint32_t bytes_max = 0;
  for (const IoSize& size : options_.workload.sizes) bytes_max = std::max(bytes_max, size.io_bytes);
  const size_t stride = (bytes_max + 4095u) & ~size_t{4095};
  const size_t count = size_t{path_.qpair_count()} * options_.queue_depth;
  Result<std::unique_ptr<env::Region>> memory =
      reactor_.env().allocate(stride * count, env::HugePages::Auto);
  if (!memory.ok()) return "no memory for the data of " + std::to_string(count) + " I/Os";
  memory_ = std::move(memory).value();
  reachable_ = std::make_unique<env::ReachableMemory>(
      reactor_.env().memory(), env::MemoryRange{memory_->base(), memory_->bytes()});
  Prng prng(options_.workload.seed);
  for (size_t index = 0; index < count; ++index) {
    auto io = std::make_unique<Io>();
    io->worker = this;
    io->qpair = &qpair_of(index);
    io->sqe.nsid.set(path_.nsid());
    std::byte* const buffer = memory_->base() + index * stride;
    io->place = {buffer, bytes_max};
    io->iov = &io->place;
    io->bytes = bytes_max;
    if (!io->qpair->reaches(*io)) {
      return "the device cannot be shown the memory for the data of " + std::to_string(count) +
             " I/Os: raise the limit of locked memory, or use a smaller --qd or --bs";
    }
    if (options_.workload.read_percent < 100) {
      for (size_t at = 0; at < bytes_max; at += sizeof(uint64_t)) {
        const uint64_t word = prng.next();
        std::memcpy(buffer + at, &word, sizeof(word));
      }
    }
    io->complete = [](nvme::Request& request, const wire::CompletionQueueEntry& cqe) {
      Io& done = static_cast<Io&>(request);
      done.worker->on_complete(done, cqe);
    };
    idle_.push_back(*io);
    ios_.push_back(std::move(io));
  }
  return "";
}

// ---- Phases ------------------------------------------------------------------------------------

PollResult LoadWorker::poll() {
  if (state_ == State::Connecting && stop_asked_) {
    give_up_connecting();
    return PollResult::Busy;
  }
  if (state_ == State::Idle || state_ == State::Connecting || state_ == State::Leaving ||
      state_ == State::Done) {
    return PollResult::Idle;
  }
  advance();
  if (!active() && state_ != State::ReadBack) return PollResult::Idle;
  return submit_idle() ? PollResult::Busy : PollResult::Idle;
}

/// A reactor that sleeps wakes for the ends of phases, and for the next I/O of a rate.
void LoadWorker::tick() {
  if (state_ == State::Done) return;
  uint64_t next_ns = reactor_.now_ns() + kTickNs;
  if (limiter_ != nullptr && active()) {
    next_ns = std::clamp(limiter_->next_ns(), reactor_.now_ns() + 1, next_ns);
  }
  reactor_.start_timer(timer_, next_ns);
}

void LoadWorker::advance() {
  const uint64_t now_ns = reactor_.now_ns();
  if (state_ == State::WarmUp && (now_ns >= phase_ends_ns_ || stop_asked_)) begin_measuring();
  if (state_ == State::Measuring) {
    const bool counted =
        options_.operations_max > 0 && counted_ >= options_.operations_max && outstanding_ == 0;
    if (now_ns >= phase_ends_ns_ || counted || stop_asked_) end_measuring();
  }
  if (active() && options_.reconnect_ns > 0 && now_ns >= reconnect_at_ns_) {
    resume_ = state_;
    state_ = State::Connecting;
    reconnecting_ = true;
    path_.close();
    return;
  }
  if (state_ == State::Draining && outstanding_ == 0) {
    if (verifier_ != nullptr) {
      state_ = State::ReadBack;
    } else {
      leave();
    }
  } else if (state_ == State::ReadBack && read_back_done_ && outstanding_ == 0) {
    leave();
  }
}

void LoadWorker::begin_measuring() {
  const uint64_t now_ns = reactor_.now_ns();
  state_ = State::Measuring;
  phase_ends_ns_ = now_ns + options_.duration_ns;
  measured_from_ns_ = now_ns;
  measured_busy_from_ns_ = reactor_.stats().busy_ns;
}

void LoadWorker::end_measuring() {
  report_.elapsed_ns = reactor_.now_ns() - measured_from_ns_;
  report_.busy_ns = reactor_.stats().busy_ns - measured_busy_from_ns_;
  state_ = State::Draining;
  path_.let_go();
}

/// stop() came while there is no connection, and maybe there never will be.
void LoadWorker::give_up_connecting() {
  if (!reconnecting_) {
    report_.failure = "stopped before the target was ready";
  } else {
    if (resume_ == State::Measuring) end_measuring();
    if (verifier_ != nullptr) report_.failure = "stopped while reconnecting: nothing was read back";
  }
  leave();
}

void LoadWorker::leave() {
  state_ = State::Leaving;
  path_.close();
}

void LoadWorker::finish() {
  if (verifier_ != nullptr) {
    report_.verify.blocks_checked = verifier_->checked_blocks();
    report_.verify.blocks_unchecked = verifier_->unchecked_blocks();
  }
  state_ = State::Done;
  if (timer_.started()) reactor_.cancel_timer(timer_);
  done_(argument_);
}

// ---- I/O ---------------------------------------------------------------------------------------

/// The time of answers: once for all that one poll of the ring brought. What the poller submits has
/// a time of its own, for its answer may come in the same iteration.
uint64_t LoadWorker::answered_ns() {
  if (seen_iteration_ns_ != reactor_.now_ns()) {
    seen_iteration_ns_ = reactor_.now_ns();
    answered_ns_ = reactor_.env().now_ns();
  }
  return answered_ns_;
}

/// Puts every I/O that is at rest to work, as far as the rate and the verifier let it.
bool LoadWorker::submit_idle() {
  if (idle_.empty() || !path_.live()) return false;
  const uint64_t now_ns = reactor_.env().now_ns();
  bool issued = false;
  for (size_t turns = idle_.size(); turns > 0; --turns) {
    IoOp op;
    if (state_ == State::ReadBack ? !choose_read_back(op) : !choose(op)) break;
    issue(*idle_.pop_front(), op, now_ns);
    issued = true;
  }
  return issued;
}

bool LoadWorker::choose(IoOp& op) {
  if (state_ == State::Measuring && options_.operations_max > 0 &&
      counted_ >= options_.operations_max) {
    return false;
  }
  if (limiter_ != nullptr && limiter_->take(reactor_.now_ns(), 1) == 0) return false;
  for (int attempt = 0; attempt < kChoicesMax; ++attempt) {
    op = workload_->next();
    if (verifier_ == nullptr || verifier_->claim(op.kind, op.lba, op.blocks)) return true;
  }
  return false;
}

bool LoadWorker::choose_read_back(IoOp& op) {
  if (read_back_lba_ >= region_blocks_) {
    read_back_done_ = true;
    return false;
  }
  const auto blocks_max = static_cast<uint64_t>(ios_.front()->place.iov_len) >> block_shift_;
  op.kind = IoKind::Read;
  op.lba = first_lba_ + read_back_lba_;
  op.blocks = static_cast<uint32_t>(std::min(blocks_max, region_blocks_ - read_back_lba_));
  ASSERT(verifier_->claim(op.kind, op.lba, op.blocks));
  read_back_lba_ += op.blocks;
  return true;
}

void LoadWorker::issue(Io& io, const IoOp& op, uint64_t now_ns) {
  const bool reads = op.kind == IoKind::Read;
  io.op = op;
  io.bytes = op.blocks << block_shift_;
  io.transfer = reads ? nvme::Transfer::FromController : nvme::Transfer::ToController;
  io.sqe.opcode = static_cast<uint8_t>(reads ? wire::IoOpcode::kRead : wire::IoOpcode::kWrite);
  io.sqe.cdw10.set(static_cast<uint32_t>(op.lba));
  io.sqe.cdw11.set(static_cast<uint32_t>(op.lba >> 32));
  io.sqe.cdw12.set(op.blocks - 1);
  if (verifier_ != nullptr && !reads) {
    verifier_->begin_write(op.lba, op.blocks,
                           {static_cast<std::byte*>(io.place.iov_base), io.bytes});
  }
  io.started_ns = now_ns;
  ++outstanding_;
  io.counted = options_.operations_max > 0 && state_ == State::Measuring;
  if (io.counted) ++counted_;
  if (path_.live() && io.qpair->submit(io)) return;
  // The queue is as deep as its I/Os are many, so it has ended; path_closed() follows.
  --outstanding_;
  if (io.counted) --counted_;
  if (verifier_ != nullptr) {
    if (reads) {
      verifier_->release(op.kind, op.lba, op.blocks);
    } else {
      verifier_->end_write(op.lba, op.blocks, WriteOutcome::Uncertain);
    }
  }
  idle_.push_back(io);
}

void LoadWorker::on_complete(Io& io, const wire::CompletionQueueEntry& cqe) {
  --outstanding_;
  const uint64_t now_ns = answered_ns();
  const wire::Status status = nvme::status_of(cqe);
  if (!reconnecting_) {
    account(io, status, now_ns);
  } else if (io.counted) {
    --counted_;  // another one takes its place
  }
  if (verifier_ != nullptr) check_data(io, status.is_success());
  IoOp op;
  if (active() && idle_.empty() && path_.live() && choose(op)) {
    issue(io, op, now_ns);
  } else {
    idle_.push_back(io);
  }
}

void LoadWorker::account(const Io& io, wire::Status status, uint64_t now_ns) {
  if (!status.is_success() && report_.first_error_status == 0) {
    report_.first_error_status = status.pack();
  }
  OperationReport& operation = io.op.kind == IoKind::Read ? report_.read : report_.write;
  if (!status.is_success()) {
    ++operation.errors;
    progress_.errors.store(progress_.errors.load(std::memory_order_relaxed) + 1,
                           std::memory_order_relaxed);
    return;
  }
  // Relaxed: each counter says something by itself, and this thread alone writes them.
  progress_.operations.store(progress_.operations.load(std::memory_order_relaxed) + 1,
                             std::memory_order_relaxed);
  progress_.bytes.store(progress_.bytes.load(std::memory_order_relaxed) + io.bytes,
                        std::memory_order_relaxed);
  // With a count, what began before does not count; without, the time alone decides.
  if (state_ != State::Measuring || (options_.operations_max > 0 && !io.counted)) return;
  ++operation.operations;
  operation.bytes += io.bytes;
  operation.latency.add(now_ns - io.started_ns);
}

void LoadWorker::check_data(const Io& io, bool ok) {
  const IoOp& op = io.op;
  if (op.kind == IoKind::Write) {
    verifier_->end_write(op.lba, op.blocks, ok ? WriteOutcome::Confirmed : WriteOutcome::Uncertain);
    return;
  }
  if (ok) {
    const auto mismatch = verifier_->check_read(
        op.lba, op.blocks, {static_cast<const std::byte*>(io.place.iov_base), io.bytes});
    if (mismatch) {
      ++report_.verify.mismatches;
      if (!report_.verify.first) report_.verify.first = mismatch;
    }
  }
  verifier_->release(op.kind, op.lba, op.blocks);
}

}  // namespace capsuled::perf
