// BaseReads: what a factory reads of the bdevs that its bdev is to stand on, before it can say what
// that is: a table of partitions, a header.
//
// A factory must not wait for a device. So it asks, and ends with error() if what it asked for is
// not here; whoever called it reads that (control/control_io.h), and calls it again, until nothing
// is wanted. So a factory asks in an order that depends only on what it has read.
//
// Owner: whoever makes a bdev. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "bdev/bdev_error.h"
#include "bdev/bdev_io.h"

namespace capsuled {

class BdevDesc;

/// Of one bdev that is being made.
inline constexpr uint64_t kBaseReadBytesMax = 4ull << 20;

class BaseReads {
 public:
  struct Wanted {
    std::shared_ptr<BdevDesc> base;
    uint64_t first_block = 0;
    uint64_t count_blocks = 0;
  };

  /// The bytes of these blocks, which the base has. Null: they are not here, and the factory ends
  /// with error().
  const std::vector<std::byte>* blocks(const std::shared_ptr<BdevDesc>& base, uint64_t first_block,
                                       uint64_t count_blocks);
  /// After blocks() had nothing. EAGAIN: they are wanted(). EIO: they cannot be read.
  BdevError error() const;

  /// What the factory asked for and did not have.
  const std::optional<Wanted>& wanted() const { return wanted_; }
  void provide(std::vector<std::byte> bytes);
  /// What is wanted cannot be read.
  void fail(BdevStatus status);

 private:
  using Key = std::tuple<std::string, uint64_t, uint64_t>;
  std::map<Key, std::vector<std::byte>> known_;
  uint64_t known_bytes_ = 0;
  std::optional<Wanted> wanted_;
  std::optional<BdevError> failed_;
};

}  // namespace capsuled
