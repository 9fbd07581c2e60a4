// DiskPages: the memory of a RAM disk, page by page: where each page is, and who still reads it
// there.
//
// A page may be lent: a socket then copies it from where it is. Whoever writes it meanwhile writes
// to another place, which is the page's from then on; the old one stays as it is until all loans of
// it have been given back. So nobody reads a page that is half written, and nobody waits.
//
//   slot     a place for a page: one for each page, and spare ones; page p begins in slot p
//   retired  a slot whose page has moved on, kept by its loans
//
// Invariant: there are never more loans than spare slots (the caller sees to that), and each
// retired slot has one; so while a slot in use is lent, a spare one is free, or held for a moment
// by a writer that will not need it.
//
// Every read and write looks here. What it looks at is one byte for each page, so that a disk's
// are in a near cache; only where a page is that has moved stands apart.
//
// Thread: any. lend(), at() and to_write() with the page's lock held, if there is more than one.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "base/result.h"
#include "bdev/malloc/block_locks.h"
#include "env/env.h"

namespace capsuled {

class DiskPages {
 public:
  /// `page_bytes`: a power of two. ENOMEM. EINVAL: more than 2^32 - 2 slots.
  static Result<std::unique_ptr<DiskPages>> create(env::Env& env, uint64_t pages,
                                                   uint32_t page_bytes, uint32_t spares);

  uint32_t page_shift() const { return page_shift_; }
  size_t page_bytes() const { return size_t{1} << page_shift_; }
  /// Where the page is now. Without its lock only a guess.
  std::byte* at(uint64_t page) const { return slot(slot_of(page)); }

  /// The page stays as it is, where it is, until give_back(). False: it has too many loans.
  bool lend(uint64_t page) {
    State& state = states_[slot_of(page)];
    // Nobody else adds a loan: we hold the page's lock. Relaxed: that orders it with whoever writes
    // the page.
    if ((state.load(std::memory_order_relaxed) & kLoans) == kLoans) return false;
    state.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  /// One loan of a slot; without any lock.
  void give_back(uint32_t slot) {
    // Release: all reading is done when a writer sees this (acquire in to_write() and below).
    const uint8_t before = states_[slot].fetch_sub(1, std::memory_order_acq_rel);
    ASSERT((before & kLoans) != 0);
    if ((before & (kRetired | kLoans)) == (kRetired | 1)) free(slot);
  }
  /// The slot of these bytes, which are a page's or inside one.
  uint32_t slot_at(const std::byte* bytes) const {
    return static_cast<uint32_t>(static_cast<size_t>(bytes - slots_->base()) >> page_shift_);
  }

  /// Where to write the page. `whole`: all of it will be; else what it holds is there.
  std::byte* to_write(uint64_t page, bool whole) {
    // Acquire: pairs with the release in give_back().
    if (is_in_place(page)) [[likely]]
      return slot(page);
    return to_write_elsewhere(page, whole);
  }
  /// How many pages from `page` on, up to `count`, are side by side and may be written where they
  /// are: with at(page), all together. At least 1: the first one with to_write() in any case.
  uint64_t in_place(uint64_t page, uint64_t count) const {
    uint64_t found = 0;
    while (found < count && is_in_place(page + found)) ++found;
    return found > 0 ? found : 1;
  }
  /// The pages read as zeros, and cost nothing while nobody writes them if the machine can do that.
  void discard(uint64_t first, uint64_t count);

 private:
  /// kMoved is of the page with that number, the rest of the slot.
  using State = std::atomic<uint8_t>;
  using Slot = std::atomic<uint32_t>;
  static constexpr uint8_t kMoved = 0x80;
  static constexpr uint8_t kRetired = 0x40;
  static constexpr uint8_t kLoans = 0x3f;  ///< how many

  DiskPages(uint32_t page_bytes, uint32_t spares)
      : page_shift_(static_cast<uint32_t>(std::countr_zero(page_bytes))), spares_(spares) {}

  std::byte* slot(uint64_t index) const { return slots_->base() + (index << page_shift_); }
  uint64_t slot_of(uint64_t page) const {
    // Relaxed: who holds the page's lock knows what it is ordered with; who does not, guesses.
    const bool moved = (states_[page].load(std::memory_order_relaxed) & kMoved) != 0;
    return moved ? moved_to_[page].load(std::memory_order_relaxed) : page;
  }
  bool is_in_place(uint64_t page) const {
    // Not moved, so that its own slot's loans are the page's. Acquire: pairs with the release in
    // give_back().
    return states_[page].load(std::memory_order_acquire) == 0;
  }
  /// The page has moved, or is lent.
  std::byte* to_write_elsewhere(uint64_t page, bool whole);
  /// A spare slot, unless the loans of `lent` have been given back.
  bool take_free(const State& lent, uint32_t& slot);
  void free(uint32_t slot);

  const uint32_t page_shift_;
  const uint32_t spares_;
  // Zeros are what they begin with, and cost nothing where nothing happens.
  std::unique_ptr<env::Region> slots_;
  std::unique_ptr<env::Region> states_memory_;
  std::unique_ptr<env::Region> moved_to_memory_;
  State* states_ = nullptr;   ///< by slot, and the first ones by page
  Slot* moved_to_ = nullptr;  ///< by page: its slot, if it moved; written under its lock
  SpinLock free_lock_;
  std::vector<uint32_t> free_;  ///< the one that was free last at the end
};

}  // namespace capsuled
