#include "bdev/malloc/malloc_disk.h"

#include <algorithm>
#include <cstring>

#include "bdev/malloc/disk_memory.h"
#include "reactor/buffer_pool.h"

namespace capsuled {

namespace {

/// From this length on, zeroing gives the pages back to the machine instead of writing them. For
/// less, the system call would cost more than it saves.
constexpr uint64_t kDiscardBytesMin = uint64_t{64} * 1024;

}  // namespace

template <typename Visit>
void MallocDisk::each_page(uint64_t offset, uint64_t length, Visit visit) {
  while (length > 0) {
    const uint64_t page = offset >> page_shift_;
    const uint64_t in_page = offset & (page_bytes_ - 1);
    const uint64_t bytes = std::min(length, page_bytes_ - in_page);
    if (locks_ != nullptr) locks_->of_unit(page).lock();
    visit(page, in_page, bytes);
    if (locks_ != nullptr) locks_->of_unit(page).unlock();
    offset += bytes;
    length -= bytes;
  }
}

template <typename Visit>
void MallocDisk::each_run(uint64_t offset, uint64_t length, Visit visit) {
  if (locks_ != nullptr) return each_page(offset, length, visit);
  while (length > 0) {
    const uint64_t page = offset >> page_shift_;
    const uint64_t in_page = offset & (page_bytes_ - 1);
    const uint64_t wanted = (in_page + length + page_bytes_ - 1) >> page_shift_;
    const uint64_t run = pages_->in_place(page, wanted);
    const uint64_t bytes = std::min(length, run * page_bytes_ - in_page);
    visit(page, in_page, bytes);
    offset += bytes;
    length -= bytes;
  }
}

BdevStatus MallocDisk::run(BdevIo& io) {
  const uint64_t offset = io.offset_blocks << block_shift_;
  const uint64_t length = io.count_blocks << block_shift_;
  IovCursor data(io.iov, io.iov_count);
  bool equal = true;
  switch (io.type) {
    case BdevIoType::Read:
      each_page(offset, length, [&](uint64_t page, size_t in_page, size_t bytes) {
        const std::byte* at = pages_->at(page) + in_page;
        const bool last = (page + 1) * page_bytes_ >= offset + length;
        if (!last) prefetch_disk(pages_->at(page + 1), kPageBytes);
        data.walk(bytes, [&](std::byte* to, size_t stretch) {
          std::memcpy(to, at, stretch);
          at += stretch;
        });
      });
      break;
    case BdevIoType::Write:
      each_run(offset, length, [&](uint64_t page, size_t in_page, size_t bytes) {
        std::byte* at = pages_->to_write(page, bytes >= page_bytes_) + in_page;
        data.walk(bytes, [&](const std::byte* from, size_t stretch) {
          copy_to_disk(at, from, stretch);
          at += stretch;
        });
      });
      break;
    case BdevIoType::Compare:
      each_page(offset, length, [&](uint64_t page, size_t in_page, size_t bytes) {
        const std::byte* at = pages_->at(page) + in_page;
        data.walk(bytes, [&](const std::byte* wanted, size_t stretch) {
          equal = equal && std::memcmp(at, wanted, stretch) == 0;
          at += stretch;
        });
      });
      return equal ? BdevStatus::Success : BdevStatus::Miscompare;
    case BdevIoType::Unmap:
    case BdevIoType::WriteZeroes: zero(offset, length); break;
    case BdevIoType::Flush: break;
  }
  return BdevStatus::Success;
}

void MallocDisk::clear(uint64_t offset, uint64_t length) {
  each_page(offset, length, [this](uint64_t page, size_t in_page, size_t bytes) {
    std::memset(pages_->to_write(page, bytes == page_bytes_) + in_page, 0, bytes);
  });
}

void MallocDisk::zero(uint64_t offset, uint64_t length) {
  const uint64_t end = offset + length;
  const uint64_t first_page = (offset + page_bytes_ - 1) >> page_shift_;
  const uint64_t end_page = end >> page_shift_;
  if (length < kDiscardBytesMin || first_page >= end_page) return clear(offset, length);
  if (locks_ != nullptr) locks_->lock_range(first_page, end_page - first_page);
  pages_->discard(first_page, end_page - first_page);
  if (locks_ != nullptr) locks_->unlock_range(first_page, end_page - first_page);
  clear(offset, first_page * page_bytes_ - offset);
  clear(end_page * page_bytes_, end - end_page * page_bytes_);
}

bool MallocDisk::append(BdevIo& io, std::byte* at, size_t bytes) {
  if (io.iov_count > 0) {
    iovec& last = io.iov[io.iov_count - 1];
    const bool continues = static_cast<std::byte*>(last.iov_base) + last.iov_len == at;
    if (continues && last.iov_len + bytes <= kLargeBufferBytes) {
      last.iov_len += bytes;
      return true;
    }
  }
  if (io.iov_count == kTransferBuffersMax) return false;
  io.iov[io.iov_count++] = iovec{at, bytes};
  return true;
}

uint32_t MallocDisk::lend(BdevIo& io) {
  const uint64_t offset = io.offset_blocks << block_shift_;
  const uint64_t length = io.count_blocks << block_shift_;
  uint32_t lent = 0;
  bool fits = true;
  io.iov_count = 0;
  each_page(offset, length, [&](uint64_t page, size_t in_page, size_t bytes) {
    if (!fits) return;
    fits = pages_->lend(page);
    if (!fits) return;
    std::byte* const at = pages_->at(page);
    prefetch_disk(at + in_page, bytes);
    fits = append(io, at + in_page, bytes);
    if (!fits) return pages_->give_back(pages_->slot_at(at));
    ++lent;
  });
  if (fits) return lent;
  give_back(io);
  return 0;
}

uint32_t MallocDisk::give_back(BdevIo& io) {
  uint32_t pages = 0;
  for (uint32_t index = 0; index < io.iov_count; ++index) {
    const auto* const at = static_cast<const std::byte*>(io.iov[index].iov_base);
    const uint32_t last = pages_->slot_at(at + io.iov[index].iov_len - 1);
    for (uint32_t slot = pages_->slot_at(at); slot <= last; ++slot, ++pages) {
      pages_->give_back(slot);
    }
  }
  io.iov_count = 0;
  return pages;
}

}  // namespace capsuled
