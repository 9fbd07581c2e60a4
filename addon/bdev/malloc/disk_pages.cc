#include "bdev/malloc/disk_pages.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace capsuled {

Result<std::unique_ptr<DiskPages>> DiskPages::create(env::Env& env, uint64_t pages,
                                                     uint32_t page_bytes, uint32_t spares) {
  const uint64_t slots = pages + spares;
  if (slots >= UINT32_MAX) return Error{EINVAL, "too many pages"};
  std::unique_ptr<DiskPages> made(new DiskPages(page_bytes, spares));
  // Without huge pages, because hosts write a disk here and there, and one block that is written
  // must not cost 2 MiB.
  auto memory = env.allocate(slots * page_bytes, env::HugePages::Never);
  if (!memory.ok()) return memory.error();
  made->slots_ = std::move(memory).value();
  static_assert(State::is_always_lock_free && sizeof(State) == 1);
  auto states = env.allocate(slots * sizeof(State), env::HugePages::Never);
  if (!states.ok()) return states.error();
  made->states_memory_ = std::move(states).value();
  made->states_ = reinterpret_cast<State*>(made->states_memory_->base());
  static_assert(Slot::is_always_lock_free && sizeof(Slot) == 4);
  auto moved_to = env.allocate(pages * sizeof(Slot), env::HugePages::Never);
  if (!moved_to.ok()) return moved_to.error();
  made->moved_to_memory_ = std::move(moved_to).value();
  made->moved_to_ = reinterpret_cast<Slot*>(made->moved_to_memory_->base());
  made->free_.reserve(spares);
  for (uint64_t slot = slots; slot > pages; --slot) {
    made->free_.push_back(static_cast<uint32_t>(slot - 1));
  }
  return made;
}

std::byte* DiskPages::to_write_elsewhere(uint64_t page, bool whole) {
  const uint64_t old = slot_of(page);
  std::byte* const from = slot(old);
  State& state = states_[old];
  // Acquire: pairs with the release in give_back(), so that we write after all reading has ended.
  if ((state.load(std::memory_order_acquire) & kLoans) == 0) return from;
  uint32_t spare = 0;
  if (!take_free(state, spare)) return from;
  std::byte* const to = slot(spare);
  // Nobody writes the old slot during this copy: we hold the lock of the page that is in it, and
  // while the slot is not retired, no other page can get it.
  if (!whole) std::memcpy(to, from, page_bytes());
  // Retiring the slot and giving back its last loan are both atomic on the same byte. So exactly
  // one of two things happens: the last give_back() finds the slot retired and frees the slot, or
  // we find that no loan is left. Release: the copy above ends before the slot can be freed and
  // written by others. Acquire: if no loan is left, we write after all reading has ended.
  if ((state.fetch_or(kRetired, std::memory_order_acq_rel) & kLoans) == 0) {
    // The last loan ended before this, so nobody is left who would free the slot; and the page need
    // not leave it.
    state.fetch_and(static_cast<uint8_t>(~kRetired), std::memory_order_relaxed);
    free(spare);
    return from;
  }
  // Relaxed: these stores are made under the page's lock.
  if (spare == page) {
    states_[page].fetch_and(static_cast<uint8_t>(~kMoved), std::memory_order_relaxed);
  } else {
    moved_to_[page].store(spare, std::memory_order_relaxed);
    states_[page].fetch_or(kMoved, std::memory_order_relaxed);
  }
  return to;
}

bool DiskPages::take_free(const State& lent, uint32_t& slot) {
  for (;;) {
    free_lock_.lock();
    const bool found = !free_.empty();
    if (found) {
      slot = free_.back();
      free_.pop_back();
    }
    free_lock_.unlock();
    if (found) return true;
    // By the invariant in the header there is a free slot as long as our page is lent, except for
    // moments in which other writers hold one. So either the loans of our page have ended, or one
    // of those writers is about to free a slot.
    // Acquire: pairs with the release in give_back(), so that we write after all reading has ended.
    if ((lent.load(std::memory_order_acquire) & kLoans) == 0) return false;
  }
}

void DiskPages::free(uint32_t slot) {
  // Relaxed: whoever takes the slot next takes it under free_lock_, after this.
  states_[slot].fetch_and(static_cast<uint8_t>(~kRetired), std::memory_order_relaxed);
  free_lock_.lock();
  ASSERT(free_.size() < spares_);
  free_.push_back(slot);
  free_lock_.unlock();
}

void DiskPages::discard(uint64_t first, uint64_t count) {
  const uint64_t end = first + count;
  for (uint64_t page = first; page < end;) {
    uint64_t run = 0;
    while (page + run < end && is_in_place(page + run)) ++run;
    if (run > 0 && slots_->discard(page << page_shift_, run << page_shift_)) {
      page += run;
      continue;
    }
    std::memset(to_write(page, true), 0, page_bytes());
    ++page;
  }
}

}  // namespace capsuled
