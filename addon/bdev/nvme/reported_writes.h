// ReportedWrites: the changes of blocks whose ends were reported lately, in order. It answers one
// question: may a write whose outcome is not known be carried out once more? Not if the outcome of
// another one of the same blocks was reported meanwhile: the older data would come back over the
// newer, which somebody was told are there.
//
// Each reactor writes a table of its own, so noting costs two stores; any reactor may look at all
// of them. Times are of the machine's clock, which all reactors share, read when a write is issued
// and when it is noted. So what was reported before a write was issued, and could have been the
// reason for it, is never taken for later, nor the other way round.
//
// A table has so many places; who looks back further than they reach is told that it cannot be
// known. Whoever may have to look back for long does so every now and then, and then has to know up
// to when he has seen all: a thread may lose its processor between the reading of the clock and the
// store, for any time. So it announces itself before it reads the clock.
//
// Owner: a bdev, one for each reactor. Thread: announce() and note() are that reactor's; the rest
// is anybody's.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/assert.h"

namespace capsuled {

class alignas(64) ReportedWrites {
 public:
  static constexpr size_t kPlaces = 65'536;
  /// Of one change.
  static constexpr uint64_t kBlocksMax = 65'536;

  /// One will be noted, at a time that is read from the clock after this, and is not less.
  void announce(uint64_t at_least_ns) {
    // Relaxed: a thread that loses its processor has stored what it was to store; else it is there
    // long before kSettledNs has passed. The fence keeps the compiler from reading the clock first.
    announced_ns_.store(at_least_ns, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  /// A change of these blocks is about to be reported.
  void note(uint64_t first_block, uint64_t block_count, uint64_t now_ns) {
    ASSERT(block_count > 0 && block_count <= kBlocksMax && first_block < kBlockEnd);
    const uint64_t index = noted_.load(std::memory_order_relaxed);
    uint64_t* const place = &words_[index % kPlaces * 2];
    // Release: whoever sees a word sees, too, that the one that was there before is gone.
    word(place[0]).store(first_block << kCountBits | (block_count - 1), std::memory_order_release);
    word(place[1]).store(now_ns, std::memory_order_release);
    // Release: the words are there.
    noted_.store(index + 1, std::memory_order_release);
    announced_ns_.store(kNobody, std::memory_order_release);
  }

  /// Up to when all is noted that ever will be; `now_ns` was read from the clock before this. What
  /// visit_since() visits after this call has all of that.
  uint64_t settled_ns(uint64_t now_ns) const {
    const uint64_t announced_ns = announced_ns_.load(std::memory_order_acquire);
    const uint64_t before_ns = announced_ns == 0 ? 0 : announced_ns - 1;
    return std::min(now_ns < kSettledNs ? 0 : now_ns - kSettledNs, before_ns);
  }

  /// `visit(first_block, block_count, when_ns)` for each that was noted after `since_ns`, the last
  /// one first. False: there may have been others.
  template <typename Visit>
  bool visit_since(uint64_t since_ns, Visit&& visit) const {
    const uint64_t end = noted_.load(std::memory_order_acquire);
    uint64_t index = end;
    while (index > 0 && end - index < kPlaces) {
      uint64_t* const place = &words_[(index - 1) % kPlaces * 2];
      const uint64_t what = word(place[0]).load(std::memory_order_acquire);
      const uint64_t when_ns = word(place[1]).load(std::memory_order_acquire);
      if (when_ns <= since_ns) break;
      visit(what >> kCountBits, (what & kCountMask) + 1, when_ns);
      --index;
    }
    const bool reached = index == 0 || end - index < kPlaces;
    // What was looked at may have been overwritten meanwhile: the place of `index` is the first.
    const uint64_t now = noted_.load(std::memory_order_relaxed);
    return reached && now - (index == 0 ? 0 : index - 1) < kPlaces;
  }

  /// Whether one of these blocks may have been changed by another that was noted since.
  bool any_since(uint64_t first_block, uint64_t block_count, uint64_t since_ns) const {
    bool found = false;
    const bool known = visit_since(since_ns, [&](uint64_t first, uint64_t count, uint64_t) {
      found = found || (first < first_block + block_count && first_block < first + count);
    });
    return found || !known;
  }

 private:
  static constexpr int kCountBits = 16;
  /// In which a store of one thread is seen by all others, by far.
  static constexpr uint64_t kSettledNs = 100'000'000;
  static constexpr uint64_t kNobody = UINT64_MAX;
  static constexpr uint64_t kCountMask = kBlocksMax - 1;
  static constexpr uint64_t kBlockEnd = uint64_t{1} << (64 - kCountBits);

  static std::atomic_ref<uint64_t> word(uint64_t& place) {
    return std::atomic_ref<uint64_t>(place);
  }

  std::atomic<uint64_t> noted_ = 0;
  std::atomic<uint64_t> announced_ns_ = kNobody;
  /// Of each place: what, and when. Touched by nobody before it is used.
  const std::unique_ptr<uint64_t[]> words_ =
      std::make_unique_for_overwrite<uint64_t[]>(2 * kPlaces);
};

}  // namespace capsuled
