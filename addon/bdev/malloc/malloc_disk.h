// MallocDisk: the blocks of a RAM disk. It reads, writes, compares, zeroes and lends the disk's
// pages; if several reactors use the disk, it does so under the locks of the pages.
//
// Owners: the bdev and its lenders together, because loans may outlive the bdev. Thread: any.
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

  /// `pages`: a page has kPageBytes, or is as large as one block if a block is larger.
  /// `one_reactor`: one reactor alone uses the disk, so there are no locks.
  MallocDisk(std::unique_ptr<DiskPages> pages, uint32_t block_size, bool one_reactor)
      : pages_(std::move(pages)),
        block_shift_(static_cast<uint32_t>(std::countr_zero(block_size))),
        page_shift_(pages_->page_shift()),
        page_bytes_(pages_->page_bytes()),
        locks_(one_reactor ? nullptr : std::make_unique<BlockLocks>()) {}

  size_t page_bytes() const { return page_bytes_; }
  /// Carries `io` out at once, with the buffers of `io`. A Read that is lent needs no call.
  BdevStatus run(BdevIo& io);

  /// How many pages the blocks of `io` are on.
  uint64_t page_count(const BdevIo& io) const {
    const uint64_t offset = io.offset_blocks << block_shift_;
    const uint64_t end = (io.offset_blocks + io.count_blocks) << block_shift_;
    return ((end - 1) >> page_shift_) - (offset >> page_shift_) + 1;
  }
  /// Lends the blocks of a Read: has `io.iov` say where the blocks are, in at most
  /// kTransferBuffersMax parts, and keeps these bytes as they are until give_back(). Asks memory
  /// for them, because a socket will copy them soon. Returns how many pages were lent; 0: there
  /// would be too many parts, or a page has too many loans.
  uint32_t lend(BdevIo& io);
  /// Ends the loans of `io`. Returns how many pages they were.
  uint32_t give_back(BdevIo& io);

 private:
  /// Adds a piece of a page to the parts of `io`. A piece that continues the last part in memory
  /// makes that part longer; but no part becomes longer than a large buffer, because a send ends
  /// between two parts only. A piece is never divided. False: there is no room for another part.
  static bool append(BdevIo& io, std::byte* at, size_t bytes);
  /// Calls `visit(uint64_t page, size_t in_page, size_t bytes)` for the range, page by page with
  /// the page's lock held.
  template <typename Visit>
  void each_page(uint64_t offset, uint64_t length, Visit visit);
  /// As each_page(), for writing. Without locks, pages that lie side by side and may be written
  /// where they lie are visited in one call.
  template <typename Visit>
  void each_run(uint64_t offset, uint64_t length, Visit visit);
  void clear(uint64_t offset, uint64_t length);
  void zero(uint64_t offset, uint64_t length);

  const std::unique_ptr<DiskPages> pages_;
  const uint32_t block_shift_;
  const uint32_t page_shift_;
  const uint64_t page_bytes_;  ///< what one lock covers: whole pages of memory, and whole blocks
  const std::unique_ptr<BlockLocks> locks_;
};

}  // namespace capsuled
