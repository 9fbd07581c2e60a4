#include "bdev/null/null_bdev.h"

#include <algorithm>
#include <cstring>

#include "bdev/bdev_geometry.h"

namespace capsuled {

namespace {

bool all_zero(const BdevIo& io) {
  for (uint32_t index = 0; index < io.iov_count; ++index) {
    const auto* first = static_cast<const std::byte*>(io.iov[index].iov_base);
    const auto* last = first + io.iov[index].iov_len;
    if (std::any_of(first, last, [](std::byte byte) { return byte != std::byte{0}; })) return false;
  }
  return true;
}

class NullChannel final : public BdevChannel {
 public:
  void submit(BdevIo& io) override {
    BdevStatus status = BdevStatus::Success;
    if (io.type == BdevIoType::Read) {
      // Not left as it is: the buffer may hold what another host wrote.
      for (uint32_t index = 0; index < io.iov_count; ++index) {
        std::memset(io.iov[index].iov_base, 0, io.iov[index].iov_len);
      }
    } else if (io.type == BdevIoType::Compare && !all_zero(io)) {
      status = BdevStatus::Miscompare;
    }
    bdev_complete(io, status);
  }
};

class NullBdev final : public Bdev {
 public:
  using Bdev::Bdev;
  std::unique_ptr<BdevChannel> make_channel(Reactor&) override {
    return std::make_unique<NullChannel>();
  }
};

}  // namespace

BdevResult make_null_bdev(const NullBdevOptions& options) {
  if (auto error = check_geometry(options.bytes, options.block_size)) return *std::move(error);
  BdevFacts facts;
  facts.name = options.name;
  facts.kind = "null";
  facts.block_size = options.block_size;
  facts.block_count = options.bytes / options.block_size;
  facts.can_unmap = true;
  facts.can_write_zeroes = true;
  facts.can_compare = true;
  return std::unique_ptr<Bdev>(std::make_unique<NullBdev>(std::move(facts)));
}

}  // namespace capsuled
