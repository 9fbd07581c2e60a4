// MallocDisk: the blocks of a RAM disk: reads, writes and the rest on its pages, under their locks
// if several reactors use it, and loans of them.
//
// The bdev and its lenders own it together. Thread: any.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "bdev/bdev_io.h"
#include "bdev/malloc/block_locks.h"
#include "bdev/malloc/disk_pages.h"

namespace capsuled {

class MallocDisk {
 public:
  static constexpr uint32_t kPageBytes = 4096;

  /// `pages`: of kPageBytes, or of one block if that is larger. `one_reactor`: no locks.
  MallocDisk(std::unique_ptr<DiskPages> pages, uint32_t block_size, bool one_reactor)
      : pages_(std::move(pages)),
        block_shift_(static_cast<uint32_t>(std::countr_zero(block_size))),
        page_shift_(pages_->page_shift()),
        page_bytes_(pages_->page_bytes()),
        locks_(one_reactor ? nullptr : std::make_unique<BlockLocks>()) {}

  size_t page_bytes() const { return page_bytes_; }
  /// Carries `io` out at once, on memory of its own; a Read that is lent has nothing to do here.
  BdevStatus run(BdevIo& io);

  /// Pages that the blocks of `io` are on.
  uint64_t page_count(const BdevIo& io) const {
    const uint64_t offset = io.offset_blocks << block_shift_;
    const uint64_t end = (io.offset_blocks + io.count_blocks) << block_shift_;
    return ((end - 1) >> page_shift_) - (offset >> page_shift_) + 1;
  }
  /// Has `io.iov` say where the blocks of a Read are, in at most kTransferBuffersMax parts, and
  /// keeps them as they are there until give_back(). A socket copies them soon. Returns how many
  /// pages; 0: too many parts, or too many loans of a page.
  uint32_t lend(BdevIo& io);
  /// Returns how many pages.
  uint32_t give_back(BdevIo& io);

 private:
  /// Adds to the last part what continues it, but makes none longer than a large buffer, so that
  /// a send may end between two. Pages are never cut. False: there is no room.
  static bool append(BdevIo& io, std::byte* at, size_t bytes);
  /// Calls `visit(uint64_t page, size_t in_page, size_t bytes)` for the range, page by page with
  /// the page's lock held.
  template <typename Visit>
  void each_page(uint64_t offset, uint64_t length, Visit visit);
  /// As each_page(), to write; all pages that may be written where they are at once, if there are
  /// no locks.
  template <typename Visit>
  void each_run(uint64_t offset, uint64_t length, Visit visit);
  void clear(uint64_t offset, uint64_t length);
  void zero(uint64_t offset, uint64_t length);

  const std::unique_ptr<DiskPages> pages_;
  const uint32_t block_shift_;
  const uint32_t page_shift_;
  const uint64_t page_bytes_;  ///< what one lock covers; whole pages and whole blocks
  const std::unique_ptr<BlockLocks> locks_;
};

}  // namespace capsuled
