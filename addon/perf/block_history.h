/// BlockHistory: what one logical block may hold, and who uses it now. Eight bytes.
///
/// Each write of a block has a generation, counted from 1. A write that failed, or whose answer
/// never came, may or may not have reached the medium; so the block may then hold any generation
/// from the last confirmed one to the last issued one, until a later write is confirmed. All zeroes
/// is a block that was never written.
///
/// After generation 2^32 - 1 comes 1 again, and after 65,535 unconfirmed writes in a row the
/// confirmed one is forgotten: in both cases the block is as one whose first write is not confirmed
/// yet, so that nothing right is ever called wrong, and the next confirmed write ends it.
///
/// The claims keep two I/Os off one block unless both are reads. The verifier's owner is the owner;
/// one thread. Invariant: oldest() <= newest().
#pragma once

#include <cstdint>

#include "base/assert.h"

namespace capsuled::perf {

class BlockHistory {
 public:
  /// The generation that was issued last; 0: none.
  uint32_t newest() const { return newest_; }
  /// The generation that was confirmed last; 0: none, or forgotten.
  uint32_t oldest() const { return doubtful_ == kAllDoubtful ? 0 : newest_ - doubtful_; }
  /// True if a write was confirmed, so that the block holds some generation for certain.
  bool is_known() const { return oldest() > 0; }
  /// True if the block may hold that generation.
  bool accepts(uint32_t generation) const { return issued(generation) && generation >= oldest(); }
  /// True if that generation was written, now or earlier.
  bool issued(uint32_t generation) const { return generation >= 1 && generation <= newest_; }

  bool can_claim_read() const { return claim_ < kReadersMax; }
  bool can_claim_write() const { return claim_ == 0; }
  void claim_read() {
    ASSERT(can_claim_read());
    ++claim_;
  }
  void claim_write() {
    ASSERT(can_claim_write());
    claim_ = kClaimedForWrite;
  }
  bool is_read() const { return claim_ > 0 && claim_ <= kReadersMax; }
  void release_read() {
    ASSERT(is_read());
    --claim_;
  }
  /// Gives a claim back that no write followed.
  void release_write() {
    ASSERT(claim_ == kClaimedForWrite);
    claim_ = 0;
  }

  /// Starts the write that was claimed; returns its generation.
  uint32_t begin_write() {
    ASSERT(claim_ == kClaimedForWrite);
    claim_ = kWriting;
    if (newest_ == ~uint32_t{0}) {
      newest_ = 1;
      doubtful_ = 1;
    } else {
      ++newest_;
      if (doubtful_ != kAllDoubtful) ++doubtful_;
    }
    return newest_;
  }

  /// Ends it: the block holds the newest generation.
  void confirm_write() {
    end_write();
    doubtful_ = 0;
  }

  /// Ends it: nobody knows.
  void doubt_write() { end_write(); }

 private:
  friend class BlockHistoryAt;  // the test's way to generations that nobody lives to see

  static constexpr uint16_t kAllDoubtful = 0xffff;
  // The values of claim_: 0 is free, up to kReadersMax so many reads, then these.
  static constexpr uint16_t kReadersMax = 0xfffd;
  static constexpr uint16_t kClaimedForWrite = 0xfffe;
  static constexpr uint16_t kWriting = 0xffff;

  void end_write() {
    ASSERT(claim_ == kWriting);
    claim_ = 0;
  }

  uint32_t newest_ = 0;
  /// How many generations, the newest included, are not confirmed.
  uint16_t doubtful_ = 0;
  uint16_t claim_ = 0;
};

static_assert(sizeof(BlockHistory) == 8);

}  // namespace capsuled::perf
