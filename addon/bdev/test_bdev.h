// For tests: a backend whose limits, capabilities, faults and time of completion the test decides,
// and which checks that the core keeps to its limits. One channel, on one reactor; the test touches
// it from that reactor's thread, or while nothing is in flight.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "bdev/bdev.h"
#include "bdev/iov_cursor.h"

namespace capsuled {

inline BdevFacts test_facts(uint64_t block_count) {
  BdevFacts facts;
  facts.name = "test0";
  facts.kind = "test";
  facts.block_count = block_count;
  facts.can_unmap = true;
  facts.unmap_zeroes = true;
  facts.can_write_zeroes = true;
  facts.can_compare = true;
  return facts;
}

/// What the backend was given.
struct TestSubmission {
  BdevIoType type;
  uint64_t offset_blocks;
  uint64_t count_blocks;
  bool force_unit_access;
};

class TestBdev final : public Bdev {
 public:
  explicit TestBdev(BdevFacts facts)
      : Bdev(std::move(facts)), memory(this->facts().block_count * this->facts().block_size) {}

  std::unique_ptr<BdevChannel> make_channel(Reactor&) override;
  uint64_t bytes_found() const override {
    return std::max(found_blocks, block_count()) * facts().block_size;
  }

  uint64_t found_blocks = 0;
  std::vector<std::byte> memory;
  std::vector<TestSubmission> submissions;
  uint32_t cancels = 0;
  bool hold = false;                               ///< completes nothing until release_*()
  bool can_cancel = true;                          ///< cancel() ends what is held with Aborted
  std::deque<BdevIo*> held;                        ///< in the order of submission
  std::function<BdevStatus(const BdevIo&)> fault;  ///< other than Success: fails the operation so

  void release(size_t index) {
    BdevIo& io = *held[index];
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(index));
    finish(io);
  }
  void release_all() {
    while (!held.empty()) release(0);
  }

  void take(BdevIo& io) {
    submissions.push_back({io.type, io.offset_blocks, io.count_blocks, io.force_unit_access});
    check_limits(io);
    if (hold) {
      held.push_back(&io);
    } else {
      finish(io);
    }
  }
  void cancel(BdevIo& io) {
    ++cancels;
    const auto found = std::find(held.begin(), held.end(), &io);
    if (!can_cancel || found == held.end()) return;
    held.erase(found);
    bdev_complete(io, BdevStatus::Aborted);
  }

 private:
  void check_limits(const BdevIo& io) const {
    const BdevFacts& limits = facts();
    if (io.type == BdevIoType::Flush) return;
    CHECK(io.count_blocks > 0);
    CHECK(io.offset_blocks + io.count_blocks <= limits.block_count);
    if (io.type == BdevIoType::Unmap || io.type == BdevIoType::WriteZeroes) {
      const bool unmaps = io.type == BdevIoType::Unmap;
      const uint64_t blocks_max = unmaps ? limits.unmap_blocks_max : limits.zero_blocks_max;
      CHECK((blocks_max == 0 || io.count_blocks <= blocks_max));
      CHECK((unmaps ? limits.can_unmap : limits.can_write_zeroes));
      return;
    }
    CHECK((io.type != BdevIoType::Compare || limits.can_compare));
    CHECK((limits.transfer_bytes_max == 0 ||
           io.count_blocks * limits.block_size <= limits.transfer_bytes_max));
    if (limits.boundary_blocks != 0) {
      CHECK(io.offset_blocks / limits.boundary_blocks ==
            (io.offset_blocks + io.count_blocks - 1) / limits.boundary_blocks);
    }
    size_t bytes = 0;
    for (uint32_t index = 0; index < io.iov_count; ++index) bytes += io.iov[index].iov_len;
    CHECK(bytes == io.count_blocks * limits.block_size);
  }

  void finish(BdevIo& io) {
    const BdevStatus status = fault ? fault(io) : BdevStatus::Success;
    bdev_complete(io, status == BdevStatus::Success ? execute(io) : status);
  }

  BdevStatus execute(const BdevIo& io) {
    std::byte* at = memory.data() + io.offset_blocks * facts().block_size;
    const size_t bytes = io.count_blocks * facts().block_size;
    IovCursor cursor(io.iov, io.iov_count);
    bool equal = true;
    switch (io.type) {
      case BdevIoType::Read:
        cursor.walk(bytes, [&](std::byte* to, size_t length) {
          std::memcpy(to, at, length);
          at += length;
        });
        break;
      case BdevIoType::Write:
        cursor.walk(bytes, [&](const std::byte* from, size_t length) {
          std::memcpy(at, from, length);
          at += length;
        });
        break;
      case BdevIoType::Compare:
        cursor.walk(bytes, [&](const std::byte* wanted, size_t length) {
          equal = equal && std::memcmp(wanted, at, length) == 0;
          at += length;
        });
        break;
      case BdevIoType::Unmap:
      case BdevIoType::WriteZeroes: std::memset(at, 0, bytes); break;
      case BdevIoType::Flush: break;
    }
    return equal ? BdevStatus::Success : BdevStatus::Miscompare;
  }
};

class TestChannel final : public BdevChannel {
 public:
  explicit TestChannel(TestBdev& bdev) : bdev_(bdev) {}
  void submit(BdevIo& io) override { bdev_.take(io); }
  void cancel(BdevIo& io) override { bdev_.cancel(io); }

 private:
  TestBdev& bdev_;
};

inline std::unique_ptr<BdevChannel> TestBdev::make_channel(Reactor&) {
  return std::make_unique<TestChannel>(*this);
}

}  // namespace capsuled
