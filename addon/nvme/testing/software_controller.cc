#include "nvme/testing/software_controller.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "wire/admin_command.h"
#include "wire/registers.h"

namespace capsuled::nvme::testing {
namespace {

constexpr uint32_t kEntriesMin = 2;
/// In a doorbell that was read: it was not rung since.
constexpr uint32_t kSeen = 0xffff'fffe;

std::byte* make_registers(size_t bytes) {
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(4096, bytes));
  ASSERT(memory != nullptr);
  std::memset(memory, 0, bytes);
  return memory;
}

}  // namespace

SoftwareController::SoftwareController(env::Env& env, const SoftwareControllerOptions& options)
    : env_(env),
      options_(options),
      facts_{options.address, options.vendor_id, options.device_id, 0x010802},
      registers_(make_registers(kRegisterBytes), [](std::byte* memory) { std::free(memory); }),
      view_(registers_.get(), kRegisterBytes),
      memory_(env.memory()),
      prng_(options.seed) {
  uint64_t cap = 0;
  cap = wire::Cap::Mqes::set(cap, uint64_t{options.queue_entries_max} - 1);
  cap = wire::Cap::Cqr::set(cap, uint64_t{1});
  cap = wire::Cap::To::set(cap, uint64_t{2});
  cap = wire::Cap::Dstrd::set(cap, uint64_t{options.doorbell_stride});
  cap = wire::Cap::Css::set(cap, uint64_t{wire::CapCss::Nvm::mask<uint8_t>()});
  view_.set64(wire::Property::kCap, cap);
  view_.set32(wire::Property::kVs, wire::kVersion14);
}

SoftwareController::~SoftwareController() {
  if (options_.destroyed) options_.destroyed();
}

// ---- The driver's side, besides the registers --------------------------------------------------

Result<void> SoftwareController::set_interrupts(std::span<const int> event_fds) {
  ASSERT(event_fds.size() <= kVectors);
  const std::lock_guard lock(vectors_mutex_);
  event_fds_.assign(event_fds.begin(), event_fds.end());
  return {};
}

void SoftwareController::mask_interrupt(uint32_t vector, bool masked) {
  const std::lock_guard lock(vectors_mutex_);
  masked_[vector] = masked;
  if (!masked && std::exchange(pending_[vector], false)) signal_locked(vector);
}

void SoftwareController::signal(uint32_t vector) {
  const std::lock_guard lock(vectors_mutex_);
  signal_locked(vector);
}

void SoftwareController::signal_locked(uint32_t vector) {
  if (vector >= event_fds_.size()) return;
  if (masked_[vector]) {
    pending_[vector] = true;
    return;
  }
  ++interrupts_;
  env_.signal_event(event_fds_[vector]);
}

// ---- The test's side ---------------------------------------------------------------------------

SoftwareNamespace& SoftwareController::add_namespace(uint32_t nsid,
                                                     const SoftwareNamespaceOptions& options) {
  auto made = std::make_shared<SoftwareNamespace>(options);
  insert(nsid, made);
  return *made;
}

void SoftwareController::insert(uint32_t nsid, std::shared_ptr<SoftwareNamespace> medium) {
  ASSERT(namespaces_.emplace(nsid, std::move(medium)).second);
  changed(nsid);
}

void SoftwareController::part_from_media() {
  for (auto& [nsid, medium] : namespaces_) medium = std::make_shared<SoftwareNamespace>(*medium);
}

void SoftwareController::remove_namespace(uint32_t nsid) {
  ASSERT(namespaces_.erase(nsid) == 1);
  changed(nsid);
}

void SoftwareController::fail() {
  power_ = Power::Failed;
  const uint32_t csts = get(wire::Property::kCsts);
  view_.set32(wire::Property::kCsts, wire::Csts::Cfs::set(csts, 1u));
}

void SoftwareController::lose_power() {
  for (const auto& [nsid, each] : namespaces_) each->cut_power(prng_);
  ++power_cycles_;
  fail();
}

void SoftwareController::pull() {
  power_ = Power::Gone;
  for (uint32_t offset = 0; offset < kRegisterBytes; offset += 4) view_.set32(offset, UINT32_MAX);
}

bool SoftwareController::ready() const {
  return wire::Csts::Rdy::get(get(wire::Property::kCsts)) != 0;
}

bool SoftwareController::step() {
  ++step_;
  if (power_ == Power::Gone) {
    // Whatever was written there is lost.
    pull();
    return false;
  }
  const size_t before = commands_.size();
  if (!deaf_) look_at_configuration();
  // Until CSTS.RDY goes out it may do whatever it was told to, or not.
  const bool works =
      power_ == Power::On || (power_ == Power::Stopping && !has_failed_ && prng_.chance(1, 2));
  if (!works || !bus_master_.load(std::memory_order_acquire)) return false;
  if (faults.lingers && prng_.chance(1, 3)) return true;
  look_at_doorbells();
  fetch();
  send_events();
  const bool carried_out = carry_out();
  return post_all() || carried_out || commands_.size() != before;
}

bool SoftwareController::has_work() const {
  const uint32_t cc = get(wire::Property::kCc);
  const bool enabled = wire::Cc::En::get(cc) != 0;
  switch (power_) {
    case Power::Off: return enabled;
    case Power::Starting:
    case Power::Stopping: return true;
    case Power::Failed: return !enabled;
    case Power::Gone: return false;
    case Power::On: break;
  }
  const uint32_t csts = get(wire::Property::kCsts);
  const bool goes_down =
      wire::Cc::Shn::get(cc) != 0 &&
      wire::Csts::Shst::get(csts) != static_cast<uint32_t>(wire::ShutdownStatus::kComplete);
  if (!enabled || goes_down) return true;
  if (!bus_master_.load(std::memory_order_acquire)) return false;
  const bool tells = !event_requests_.empty() &&
                     std::ranges::any_of(events_, [this](uint32_t dw0) { return may_tell(dw0); });
  return !commands_.empty() || !late_.empty() || tells || is_rung();
}

bool SoftwareController::is_rung() const {
  const auto differs = [this](uint32_t offset, uint32_t known) {
    const auto bell = bells_.find(offset);
    if (bell == bells_.end()) return view_.get32(offset) != known;
    return bell->second.awake || view_.get32(offset) != kSeen;
  };
  const uint32_t stride = options_.doorbell_stride;
  for (const auto& [qid, queue] : submissions_) {
    if (differs(wire::submission_doorbell(qid, stride), queue.tail)) return true;
  }
  for (const auto& [qid, queue] : completions_) {
    if (differs(wire::completion_doorbell(qid, stride), queue.head)) return true;
  }
  return false;
}

// ---- Configuration -----------------------------------------------------------------------------

void SoftwareController::look_at_configuration() {
  const uint32_t cc = get(wire::Property::kCc);
  const bool enabled = wire::Cc::En::get(cc) != 0;
  const auto shutdown = static_cast<wire::ShutdownNotification>(wire::Cc::Shn::get(cc));
  switch (power_) {
    case Power::Off:
      if (!enabled) break;
      power_ = Power::Starting;
      power_step_ = step_ + options_.ready_steps;
      break;
    case Power::Starting:
      if (!enabled) {
        power_ = Power::Off;
      } else if (step_ >= power_step_) {
        start();
      }
      break;
    case Power::On:
    case Power::Failed:
      if (enabled) break;
      has_failed_ = power_ == Power::Failed;
      power_ = Power::Stopping;
      power_step_ = step_ + options_.ready_steps;
      break;
    case Power::Stopping:
      if (step_ >= power_step_) reset();
      break;
    case Power::Gone: return;
  }
  if (shutdown != wire::ShutdownNotification::kNone && power_ != Power::Failed) shut_down();
}

void SoftwareController::shut_down() {
  if (shut_down_) return;
  if (shutdown_step_ == 0) shutdown_step_ = step_ + options_.ready_steps;
  if (step_ >= shutdown_step_) {
    shut_down_ = true;
    ++shutdowns_;
  }
  const auto status =
      shut_down_ ? wire::ShutdownStatus::kComplete : wire::ShutdownStatus::kOccurring;
  const uint32_t csts = get(wire::Property::kCsts);
  view_.set32(wire::Property::kCsts, wire::Csts::Shst::set(csts, static_cast<uint32_t>(status)));
}

void SoftwareController::start() {
  const uint32_t cc = get(wire::Property::kCc);
  const uint32_t aqa = get(wire::Property::kAqa);
  const uint32_t submissions = wire::Aqa::Asqs::get(aqa) + 1;
  const uint32_t completions = wire::Aqa::Acqs::get(aqa) + 1;
  const bool sizes = wire::Cc::Iosqes::get(cc) == 6 && wire::Cc::Iocqes::get(cc) == 4;
  if (submissions < kEntriesMin || completions < kEntriesMin || wire::Cc::Mps::get(cc) != 0 ||
      wire::Cc::Css::get(cc) != 0 || !sizes) {
    fail();
    return;
  }
  submissions_[0] = {.base = view_.get64(wire::Property::kAsq), .entries = submissions};
  completions_[0] = {
      .base = view_.get64(wire::Property::kAcq), .entries = completions, .interrupts = true};
  power_ = Power::On;
  view_.set32(wire::Property::kCsts, wire::Csts::Rdy::set(0u, 1u));
}

/// A controller level reset: of what the driver made nothing is left (NVMe Base 2.1, 3.7.2).
void SoftwareController::reset() {
  submissions_.clear();
  completions_.clear();
  commands_.clear();
  held_.clear();
  late_.clear();
  event_requests_.clear();
  events_.clear();
  unread_logs_.clear();
  event_configuration_ = 0;
  shadows_ = 0;
  bells_.clear();
  shut_down_ = false;
  shutdown_step_ = 0;
  {
    const std::lock_guard lock(vectors_mutex_);
    pending_ = {};
  }
  ++resets_;
  for (uint32_t offset = wire::kDoorbellsOffset; offset < kRegisterBytes; offset += 4) {
    view_.set32(offset, 0);
  }
  view_.set32(wire::Property::kCsts, 0);
  power_ = Power::Off;
}

// ---- Queues ------------------------------------------------------------------------------------

/// A doorbell out of range is told as an event, and otherwise as if it had not been written.
void SoftwareController::look_at_doorbells() {
  const auto invalid = [this] {
    ++invalid_doorbells_;
    tell_error();
  };
  for (auto& [qid, queue] : submissions_) {
    const uint32_t tail = doorbell(wire::submission_doorbell(qid, options_.doorbell_stride));
    if (tail < queue.entries) {
      queue.tail = tail;
    } else {
      view_.set32(wire::submission_doorbell(qid, options_.doorbell_stride), queue.tail);
      invalid();
    }
  }
  for (auto& [qid, queue] : completions_) {
    const uint32_t head = doorbell(wire::completion_doorbell(qid, options_.doorbell_stride));
    // Between where it was and what was posted.
    const auto from = [&](uint32_t at) {
      return at >= queue.head ? at - queue.head : at + queue.entries - queue.head;
    };
    if (head < queue.entries && from(head) <= from(queue.tail)) {
      queue.head = head;
    } else {
      view_.set32(wire::completion_doorbell(qid, options_.doorbell_stride), queue.head);
      invalid();
    }
  }
}

/// What a doorbell says. One with a shadow is read there, when it was rung or shortly after that.
uint32_t SoftwareController::doorbell(uint32_t offset) {
  volatile uint32_t* const reg = view_.at32(offset);
  const bool is_admin = offset < wire::submission_doorbell(1, options_.doorbell_stride);
  // Acquire: what the driver wrote, or read, before it rang.
  if (shadows_ == 0 || is_admin) return load_acquire(reg);
  Bell& bell = bells_[offset];
  const bool rung = __atomic_exchange_n(reg, kSeen, __ATOMIC_ACQ_REL) != kSeen;
  if (rung) ++rings_;
  if (!rung && !bell.awake) return bell.value;
  const auto at = [&](env::DmaAddress page) {
    const auto bytes = memory_.at(page + (offset - wire::kDoorbellsOffset), sizeof(uint32_t));
    return reinterpret_cast<volatile uint32_t*>(bytes.data());
  };
  const uint32_t value = load_acquire(at(shadows_));
  store_release(at(event_indices_), value);
  // Who moved it meanwhile may have seen the old one, and not rung.
  device_fence();
  bell.value = load_acquire(at(shadows_));
  bell.awake = bell.value != value || prng_.chance(1, 2);
  return bell.value;
}

void SoftwareController::fetch() {
  for (auto& [qid, queue] : submissions_) {
    while (queue.head != queue.tail) {
      const auto bytes = memory_.at(queue.base + queue.head * sizeof(wire::SubmissionQueueEntry),
                                    sizeof(wire::SubmissionQueueEntry));
      Command command;
      command.sqid = qid;
      std::memcpy(static_cast<void*>(&command.sqe), bytes.data(), bytes.size());
      commands_.push_back(command);
      // So that an entry that is written again too early, or not before its doorbell, is seen.
      std::memset(bytes.data(), 0xee, bytes.size());
      if (++queue.head == queue.entries) queue.head = 0;
    }
  }
}

bool SoftwareController::carry_out() {
  bool did = false;
  size_t count = commands_.size();
  if (faults.lingers && count > 0) count = prng_.between(0, count);
  for (; count > 0 && !commands_.empty() && power_ != Power::Failed; --count) {
    const size_t which = faults.shuffles ? prng_.below(commands_.size()) : 0;
    const Command command = commands_[which];
    commands_.erase(commands_.begin() + static_cast<ptrdiff_t>(which));
    execute(command);
    did = true;
  }
  return did;
}

void SoftwareController::execute(const Command& command) {
  if (command.sqid == 0) {
    admin(command);
    return;
  }
  if (faults.held_commands > 0) {
    --faults.held_commands;
    held_.push_back(command);
    return;
  }
  complete(command.sqid, command.sqe.cid.get(), io(command.sqe));
}

void SoftwareController::complete(uint16_t sqid, uint16_t cid, const Answer& answer) {
  // Its queue may be gone.
  const auto found = submissions_.find(sqid);
  if (found == submissions_.end()) return;
  const SubmissionQueue& queue = found->second;
  wire::CompletionQueueEntry cqe = {};
  cqe.dw0.set(answer.dw0);
  cqe.sqhd.set(static_cast<uint16_t>(queue.head));
  cqe.sqid.set(sqid);
  cqe.cid.set(cid);
  cqe.status.set(answer.status.pack());
  const auto used_up = [sqid](uint32_t& count) { return sqid != 0 && count > 0 && count-- > 0; };
  if (used_up(faults.lost_completions)) return;
  if (used_up(faults.wrong_cids)) cqe.cid.set(static_cast<uint16_t>(cid ^ 0x8000));
  if (used_up(faults.late_completions)) {
    late_.push_back({step_ + faults.late_steps, {queue.cqid, cqe}});
    return;
  }
  std::deque<wire::CompletionQueueEntry>& line = completions_.at(queue.cqid).line;
  line.push_back(cqe);
  if (used_up(faults.duplicate_completions)) line.push_back(cqe);
  if (used_up(faults.late_duplicates)) {
    late_.push_back({step_ + prng_.between(1, faults.late_steps), {queue.cqid, cqe}});
  }
}

bool SoftwareController::post_all() {
  while (!late_.empty() && late_.front().first <= step_) {
    const auto [cqid, cqe] = late_.front().second;
    late_.pop_front();
    if (const auto queue = completions_.find(cqid); queue != completions_.end()) {
      queue->second.line.push_back(cqe);
    }
  }
  bool did = false;
  for (auto& [qid, queue] : completions_) {
    while (!queue.line.empty()) {
      const uint32_t next = queue.tail + 1 == queue.entries ? 0 : queue.tail + 1;
      if (next == queue.head) break;  // full
      post(qid, queue, queue.line.front());
      queue.line.pop_front();
      did = true;
    }
    if (std::exchange(queue.signal, false) && queue.interrupts) signal(queue.vector);
  }
  return did;
}

void SoftwareController::post(uint16_t cqid, CompletionQueue& queue,
                              wire::CompletionQueueEntry cqe) {
  const auto bytes = memory_.at(queue.base + queue.tail * sizeof(cqe), sizeof(cqe));
  uint16_t phase = queue.phase;
  if (cqid != 0 && faults.wrong_phases > 0) {
    --faults.wrong_phases;
    phase ^= 1;
  }
  constexpr size_t kStatusAt = offsetof(wire::CompletionQueueEntry, status);
  std::memcpy(bytes.data(), static_cast<const void*>(&cqe), kStatusAt);
  const auto status = static_cast<uint16_t>((cqe.status.get() & ~1u) | phase);
  // Release: whoever sees the phase tag sees the rest of the entry, and the data.
  store_release(reinterpret_cast<volatile uint16_t*>(bytes.data() + kStatusAt), status);
  if (++queue.tail == queue.entries) {
    queue.tail = 0;
    queue.phase ^= 1;
  }
  queue.signal = true;
}

}  // namespace capsuled::nvme::testing
