#include "bdev/null/null_bdev.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"
#include "bdev/bdev_geometry.h"
#include "reactor/buffer_pool.h"

namespace capsuled {

namespace {

/// What a Read lends. Nobody ever writes there, so it is one page of memory, again and again; that
/// it is not const keeps it out of the file.
alignas(4096) constinit std::array<std::byte, kTransferBytesMax> zeros{};

/// In parts of a large buffer, so that a send may end between two.
void lend_zeros(BdevIo& io, uint32_t block_size) {
  const uint64_t bytes = io.count_blocks * block_size;
  ASSERT(bytes <= zeros.size());
  io.iov_count = 0;
  for (uint64_t offset = 0; offset < bytes; offset += kLargeBufferBytes) {
    const uint64_t part = std::min<uint64_t>(bytes - offset, kLargeBufferBytes);
    io.iov[io.iov_count++] = {zeros.data() + offset, part};
  }
}

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
  explicit NullChannel(uint32_t block_size) : block_size_(block_size) {}
  void submit(BdevIo& io) override {
    BdevStatus status = BdevStatus::Success;
    if (io.type == BdevIoType::Read && !io.lent) {
      // Not left as it is: the buffer may hold what another host wrote.
      for (uint32_t index = 0; index < io.iov_count; ++index) {
        std::memset(io.iov[index].iov_base, 0, io.iov[index].iov_len);
      }
    } else if (io.type == BdevIoType::Compare && !all_zero(io)) {
      status = BdevStatus::Miscompare;
    }
    bdev_complete(io, status);
  }
  bool lend(BdevIo& io) override {
    lend_zeros(io, block_size_);
    return true;
  }

 private:
  const uint32_t block_size_;
};

class NullBdev final : public Bdev {
 public:
  using Bdev::Bdev;
  std::unique_ptr<BdevChannel> make_channel(Reactor&) override {
    return std::make_unique<NullChannel>(facts().block_size);
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
  facts.unmap_zeroes = true;
  facts.can_write_zeroes = true;
  facts.can_compare = true;
  facts.takes_data_at_once = true;
  facts.lends_reads = true;
  return std::unique_ptr<Bdev>(std::make_unique<NullBdev>(std::move(facts)));
}

const BdevKind kNullKind{"null", [](const BdevContext&, BdevParameters& parameters) -> BdevResult {
                           const NullBdevOptions options{
                               .name = parameters.name(),
                               .bytes = parameters.number("size"),
                               .block_size = parameters.small_number("block_size", kBlockSizeMin)};
                           if (auto error = parameters.error()) return *std::move(error);
                           return make_null_bdev(options);
                         }};

}  // namespace capsuled
