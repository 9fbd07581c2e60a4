// DiskPages: the memory of a RAM disk, page by page: where each page is, and who still reads it
// there.
//
// A page may be lent: then a socket copies the page from where it lies, at a time that nobody here
// chooses. A writer must neither change the page under the socket nor wait for the socket. So
// whoever writes a lent page writes to another place, which is the page's place from then on; the
// old place stays as it is until all its loans have been given back. Thus nobody reads a page that
// is half written, and nobody waits.
//
//   slot     a place for a page. There is one slot for each page, and some spare ones. Page p
//            begins in slot p.
//   retired  said of a slot whose page has moved on, while the slot still has loans
//
// A writer of a lent page always finds a spare slot, because of this invariant: there are never
// more loans than spare slots (the caller sees to that), and each retired slot has a loan. The slot
// that is written has a loan too, and is not retired; so there are fewer retired slots than spare
// ones. If none is free all the same, someone is about to free one: another writer, who took it and
// then found that its own page's loans had ended, or whoever has just given back the last loan of a
// retired slot.
//
// Every read and write looks up the state of its page. That state is one byte for each page, so
// that the states of a whole disk fit into a near cache. Where a page is that has moved stands in a
// table of its own, since few pages are moved.
//
// Thread: any. If there is more than one thread, lend(), at() and to_write() are called with the
// page's lock held.
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
  /// Where the page is now. Without the page's lock the answer is a guess, fit for prefetching: it
  /// is some slot.
  std::byte* at(uint64_t page) const { return slot(slot_of(page)); }

  /// The bytes of the page stay as they are, where they are, until give_back(). False: the page has
  /// too many loans.
  bool lend(uint64_t page) {
    State& state = states_[slot_of(page)];
    // We hold the page's lock, so nobody adds another loan between the load and the addition.
    // Relaxed: a writer of the page holds the same lock, which orders this loan with the write.
    if ((state.load(std::memory_order_relaxed) & kLoans) == kLoans) return false;
    state.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  /// Ends one loan of a slot. The caller need not hold any lock.
  void give_back(uint32_t slot) {
    // Release: pairs with the acquire in is_in_place(), to_write_elsewhere() and take_free(), so
    // that whoever writes this slot does so after all reading has ended. Acquire: the one who frees
    // the slot passes on that all other loans have ended, too.
    const uint8_t before = states_[slot].fetch_sub(1, std::memory_order_acq_rel);
    ASSERT((before & kLoans) != 0);
    if ((before & (kRetired | kLoans)) == (kRetired | 1)) free(slot);
  }
  /// The slot that `bytes` points into.
  uint32_t slot_at(const std::byte* bytes) const {
    return static_cast<uint32_t>(static_cast<size_t>(bytes - slots_->base()) >> page_shift_);
  }

  /// Where to write the page. `whole`: the caller will write all of the page. Otherwise the bytes
  /// that the page holds now are at that place already.
  std::byte* to_write(uint64_t page, bool whole) {
    if (is_in_place(page)) [[likely]]
      return slot(page);
    return to_write_elsewhere(page, whole);
  }
  /// How many pages from `page` on, but at most `count`, lie side by side and may be written where
  /// they lie, all together from at(page) on. If not even the first page may, the answer is 1
  /// nevertheless; to_write() is right for the first page in any case.
  uint64_t in_place(uint64_t page, uint64_t count) const {
    uint64_t found = 0;
    while (found < count && is_in_place(page + found)) ++found;
    return found > 0 ? found : 1;
  }
  /// Makes the pages read as zeros. If the machine can give memory back, the pages cost nothing
  /// until somebody writes them.
  void discard(uint64_t first, uint64_t count);

 private:
  /// One byte tells of a page and of the slot with the same number: kMoved is the page's, and
  /// changes under the page's lock; kRetired and kLoans are the slot's.
  using State = std::atomic<uint8_t>;
  using Slot = std::atomic<uint32_t>;
  static constexpr uint8_t kMoved = 0x80;
  static constexpr uint8_t kRetired = 0x40;
  static constexpr uint8_t kLoans = 0x3f;  ///< the number of loans

  DiskPages(uint32_t page_bytes, uint32_t spares)
      : page_shift_(static_cast<uint32_t>(std::countr_zero(page_bytes))), spares_(spares) {}

  std::byte* slot(uint64_t index) const { return slots_->base() + (index << page_shift_); }
  uint64_t slot_of(uint64_t page) const {
    // Relaxed: the page's lock orders these loads with the stores; and who does not hold that lock
    // asks for a guess.
    const bool moved = (states_[page].load(std::memory_order_relaxed) & kMoved) != 0;
    return moved ? moved_to_[page].load(std::memory_order_relaxed) : page;
  }
  bool is_in_place(uint64_t page) const {
    // While the page has not moved, it is in the slot of the same number, so the loans of that slot
    // are the page's loans. Acquire: pairs with the release in give_back(), so that the caller
    // writes after all reading has ended.
    return states_[page].load(std::memory_order_acquire) == 0;
  }
  /// As to_write(), for a page that has moved, or is lent.
  std::byte* to_write_elsewhere(uint64_t page, bool whole);
  /// Takes a free slot for a writer whose page is in a slot with the state `lent`. False: all loans
  /// of that slot have been given back meanwhile, so the writer needs no other slot.
  bool take_free(const State& lent, uint32_t& slot);
  void free(uint32_t slot);

  const uint32_t page_shift_;
  const uint32_t spares_;
  // All three begin as zeros, which is what they have to begin with, and cost no memory before they
  // are written.
  std::unique_ptr<env::Region> slots_;
  std::unique_ptr<env::Region> states_memory_;
  std::unique_ptr<env::Region> moved_to_memory_;
  State* states_ = nullptr;  ///< by slot; and by page, since a page has the slot of its number
  /// By page: the slot of a page that has moved. Stored under the page's lock.
  Slot* moved_to_ = nullptr;
  SpinLock free_lock_;
  std::vector<uint32_t> free_;  ///< a stack: the slot that was freed last is taken first
};

}  // namespace capsuled
