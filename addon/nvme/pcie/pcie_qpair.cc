#include "nvme/pcie/pcie_qpair.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace capsuled::nvme {
namespace {

constexpr uint32_t kPage = PcieQpair::kPageBytes;
/// An identifier that means "of no command" in the error log (NVMe Base 2.1, 5.1.12.1.2).
constexpr uint16_t kNoCid = 0xffff;

constexpr size_t whole_pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

constexpr size_t submission_bytes(uint32_t entries) {
  return whole_pages(entries * sizeof(wire::SubmissionQueueEntry));
}
constexpr size_t completion_bytes(uint32_t entries) {
  return whole_pages(entries * sizeof(wire::CompletionQueueEntry));
}

}  // namespace

Result<std::unique_ptr<PcieQpair>> PcieQpair::create(env::Env& env, const env::DmaMap& dma,
                                                     Registers registers,
                                                     const PcieQpairOptions& options) {
  ASSERT(options.entries >= 2 && options.entries <= kEntriesMax);
  const size_t lists = whole_pages((options.entries - 1u) * size_t{kListBytes});
  auto region =
      env.allocate(submission_bytes(options.entries) + completion_bytes(options.entries) + lists,
                   env::HugePages::Never);
  if (!region.ok()) return region.error();
  return std::unique_ptr<PcieQpair>(
      new PcieQpair(dma, registers, options, std::move(region).value(), env.memory()));
}

PcieQpair::PcieQpair(const env::DmaMap& dma, Registers registers, const PcieQpairOptions& options,
                     std::unique_ptr<env::Region> region, env::MemoryRegistry& registry)
    : options_(options),
      entries_max_(options.entries - 1u),
      region_(std::move(region)),
      reachable_(registry, {region_->base(), region_->bytes()}),
      dma_(dma),
      tail_doorbell_(
          registers.at32(wire::submission_doorbell(options.qid, options.doorbell_stride))),
      head_doorbell_(
          registers.at32(wire::completion_doorbell(options.qid, options.doorbell_stride))),
      free_(std::bit_ceil(entries_max_)),
      slots_(entries_max_) {
  std::byte* const base = region_->base();
  std::byte* const completions = base + submission_bytes(options.entries);
  std::byte* const lists = completions + completion_bytes(options.entries);
  submissions_ = reinterpret_cast<wire::SubmissionQueueEntry*>(base);
  completions_ = reinterpret_cast<wire::CompletionQueueEntry*>(completions);
  lists_ = reinterpret_cast<Le64*>(lists);
  const env::DmaAddress address = dma_.translate(base, region_->bytes());
  const bool known = address != env::kNoDmaAddress;
  const auto at = [&](const std::byte* part) {
    return known ? address + static_cast<uint64_t>(part - base) : env::kNoDmaAddress;
  };
  submission_address_ = at(base);
  completion_address_ = at(completions);
  lists_address_ = at(lists);
  free_end_ = entries_max_;
  cid_step_ = static_cast<uint16_t>(std::bit_ceil(entries_max_));
  slot_mask_ = static_cast<uint16_t>(cid_step_ - 1);
  for (uint32_t index = 0; index < entries_max_; ++index) {
    slots_[index].cid = static_cast<uint16_t>(index);
  }
}

PcieQpair::~PcieQpair() {
  ASSERT_MSG(state_ == State::Idle, "a qpair destroyed that a controller may know");
}

void PcieQpair::set_state(State state) {
  const bool allowed = (state_ == State::Idle && state == State::Live) ||
                       (state_ == State::Live && state == State::Stopped) ||
                       (state_ == State::Stopped && state == State::Idle);
  ASSERT_MSG(allowed, "a transition that qpairs do not have");
  state_ = state;
}

void PcieQpair::start(Reactor& reactor, PcieQpairOwner& owner, Interrupt* interrupt) {
  ASSERT(submission_address_ != env::kNoDmaAddress);
  reactor_ = &reactor;
  owner_ = &owner;
  interrupt_ = interrupt;
  broken_ = false;
  // With the phase tag that no new entry has.
  std::memset(static_cast<void*>(completions_), 0, completion_bytes(options_.entries));
  tail_ = 0;
  tail_told_ = 0;
  head_ = 0;
  untold_ = 0;
  phase_ = 1;
  free_begin_ = 0;
  free_end_ = entries_max_;
  patient_count_ = 0;
  for (uint32_t index = 0; index < entries_max_; ++index) {
    free_[index] = static_cast<uint16_t>(index);
  }
  reactor.add_poller(reaper_);
  reactor.add_poller(ringer_);
  set_state(State::Live);
}

void PcieQpair::stop() {
  if (state_ != State::Live) return;
  reactor_->remove_poller(reaper_);
  reactor_->remove_poller(ringer_);
  if (interrupt_ != nullptr) interrupt_->abandon(*reactor_);
  set_state(State::Stopped);
}

void PcieQpair::release() {
  if (state_ == State::Idle) return;
  stop();
  set_state(State::Idle);
  free_end_ = free_begin_ + entries_max_;
  patient_count_ = 0;
  wire::CompletionQueueEntry cqe = {};
  cqe.status.set(wire::Status(wire::PathStatus::kHostPathingError).pack());
  for (Slot& slot : slots_) {
    Request* const request = std::exchange(slot.request, nullptr);
    if (request == nullptr) continue;
    cqe.cid.set(slot.cid);
    request->complete(*request, cqe);
  }
}

PcieQpair::Oldest PcieQpair::oldest() const {
  Oldest oldest;
  for (const Slot& slot : slots_) {
    if (slot.request == nullptr || slot.request->patient) continue;
    if (slot.submitted_ns < oldest.submitted_ns) oldest = {slot.submitted_ns, slot.cid};
  }
  return oldest;
}

// ---- Submitting --------------------------------------------------------------------------------

bool PcieQpair::submit(Request& request) {
  ASSERT((request.transfer == Transfer::None) == (request.bytes == 0));
  if (state_ != State::Live || free_begin_ == free_end_) return false;
  const uint16_t index = free_[free_begin_ & slot_mask_];
  wire::PrpPointer prp = {};
  if (request.bytes > 0 && !map(request, index, prp)) return false;
  ++free_begin_;
  if (request.patient) ++patient_count_;
  Slot& slot = slots_[index];
  slot.request = &request;
  slot.submitted_ns = reactor_->now_ns();
  slot.cid = static_cast<uint16_t>(slot.cid + cid_step_);
  if (slot.cid == kNoCid) slot.cid = static_cast<uint16_t>(slot.cid + cid_step_);

  wire::SubmissionQueueEntry& sqe = submissions_[tail_];
  sqe = request.sqe;
  sqe.flags &= wire::CommandFlags::Fuse::mask<uint8_t>();
  sqe.cid.set(slot.cid);
  wire::prp_of(sqe) = prp;
  if (++tail_ == options_.entries) tail_ = 0;
  return true;
}

bool PcieQpair::reaches(const Request& request) {
  wire::PrpPointer prp;
  // Of a slot that is free, or of none: then the list is not one that anybody reads.
  return request.bytes == 0 || free_begin_ == free_end_ ||
         map(request, free_[free_begin_ & slot_mask_], prp);
}

/// The pages that hold the data. False: the controller does not reach some of them, or they are
/// more than one run of pages: all parts but the first must begin with a page, and all but the last
/// end with one (NVMe Base 2.1, 4.3.1).
bool PcieQpair::map(const Request& request, uint32_t slot, wire::PrpPointer& prp) {
  ASSERT(request.bytes <= kTransferBytesMax);
  const iovec* part = request.iov;
  env::DmaAddress address = dma_.translate(part->iov_base, part->iov_len);
  if (address == env::kNoDmaAddress || address % 4 != 0) return false;
  prp.prp1.set(address);
  prp.prp2.set(0);
  // Up to the end of its page, or of the data.
  const auto first =
      std::min<uint32_t>(kPage - static_cast<uint32_t>(address % kPage), request.bytes);
  if (part->iov_len < first) return false;
  uint32_t left = request.bytes - first;
  if (left == 0) return true;

  Le64* const list = lists_ + size_t{slot} * kListEntries;
  uint32_t count = 0;
  // Of the part: where the next page begins, and how much of it there is.
  size_t part_left = part->iov_len - first;
  address += first;
  while (true) {
    if (part_left == 0) {
      ++part;
      part_left = part->iov_len;
      address = dma_.translate(part->iov_base, part_left);
      if (address == env::kNoDmaAddress) return false;
    }
    if (address % kPage != 0) return false;
    list[count++].set(address);
    const uint32_t here = std::min(kPage, left);
    if (part_left < here) return false;
    left -= here;
    if (left == 0) break;
    part_left -= here;
    address += here;
  }
  prp.prp2.set(count == 1 ? list[0].get() : lists_address_ + size_t{slot} * kListBytes);
  return true;
}

void PcieQpair::ring() {
  if (tail_ == tail_told_) return;
  tail_told_ = tail_;
  tail_doorbell_.set(tail_);
}

// ---- Completing --------------------------------------------------------------------------------

uint32_t PcieQpair::reap() {
  uint32_t count = 0;
  while (count < kReapMax && state_ == State::Live && !broken_) {
    if (!has_completion()) break;
    const wire::CompletionQueueEntry cqe = completions_[head_];
    if (++head_ == options_.entries) {
      head_ = 0;
      phase_ ^= 1;
    }
    ++untold_;
    ++count;
    if (!complete(cqe)) break;
  }
  // The controller needs room before it has none, and each write of a register costs it and us
  // some 100 ns.
  if (untold_ >= std::max(options_.entries / 4u, 1u) && state_ == State::Live) {
    untold_ = 0;
    // The entries were read: the controller may write others in their place.
    head_doorbell_.set(head_);
  }
  return count;
}

bool PcieQpair::has_completion() const {
  const auto* const status = reinterpret_cast<const uint16_t*>(&completions_[head_].status);
  // Acquire: the phase tag is what the controller writes last. The rest of the entry, and the data
  // of the request, are read after it.
  return (load_acquire(status) & 1) == phase_;
}

bool PcieQpair::complete(const wire::CompletionQueueEntry& cqe) {
  const uint16_t cid = cqe.cid.get();
  const uint32_t index = cid & slot_mask_;
  if (index >= entries_max_ || slots_[index].cid != cid || slots_[index].request == nullptr) {
    broken("unknown_cid");
    return false;
  }
  if (cqe.sqid.get() != options_.qid) {
    broken("wrong_sqid");
    return false;
  }
  Request& request = *std::exchange(slots_[index].request, nullptr);
  free_[free_end_++ & slot_mask_] = static_cast<uint16_t>(index);
  if (request.patient) --patient_count_;
  request.complete(request, cqe);
  return true;
}

void PcieQpair::broken(const char* reason) {
  if (std::exchange(broken_, true)) return;
  owner_->qpair_broken(*this, reason);
}

PollResult PcieQpair::Reaper::poll() {
  if (qpair.interrupt_ != nullptr) qpair.interrupt_->disarm();
  if (qpair.outstanding() == 0) return PollResult::Idle;
  if (const uint32_t count = qpair.reap(); count > 0) {
    if (qpair.interrupt_ != nullptr) qpair.interrupt_->polled(count);
    return PollResult::Busy;
  }
  // Without an interrupt nothing announces what the controller writes; what is patient is then
  // looked at as often as the reactor wakes up.
  const bool expects = qpair.outstanding() > qpair.patient_count_;
  return qpair.interrupt_ == nullptr && expects ? PollResult::Busy : PollResult::Idle;
}

bool PcieQpair::Reaper::may_sleep() {
  if (qpair.interrupt_ == nullptr || qpair.outstanding() == 0) return true;
  qpair.interrupt_->arm(*qpair.reactor_);
  // What came before that signals nothing any more.
  device_fence();
  return !qpair.has_completion();
}

PollResult PcieQpair::Ringer::poll() {
  qpair.ring();
  return PollResult::Idle;
}

}  // namespace capsuled::nvme
