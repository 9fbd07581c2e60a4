// For tests: what a factory reads of its bases, which are TestBdevs, from their memory.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <vector>

#include "bdev/base_reads.h"
#include "bdev/bdev_kinds.h"
#include "bdev/test_bdev.h"

namespace capsuled {

inline std::vector<std::byte> bytes_of(const BaseReads::Wanted& wanted) {
  const auto& base = static_cast<const TestBdev&>(*wanted.base->entry()->bdev);
  const uint32_t block_size = base.facts().block_size;
  const auto first =
      base.memory.begin() + static_cast<std::ptrdiff_t>(wanted.first_block * block_size);
  return {first, first + static_cast<std::ptrdiff_t>(wanted.count_blocks * block_size)};
}

/// Makes a bdev as the control plane does: calls the factory anew until it wants nothing more.
/// `fault` may fail a read.
inline BdevResult make_with_reads(
    BdevContext context, const BdevParameters& parameters,
    const std::function<std::optional<BdevStatus>(const BaseReads::Wanted&)>& fault = {}) {
  BaseReads reads;
  context.reads = &reads;
  for (;;) {
    BdevResult made = make_bdev(context, parameters);
    if (!reads.wanted().has_value()) return made;
    CHECK(!made.ok());
    const BaseReads::Wanted wanted = *reads.wanted();
    const auto failed = fault ? fault(wanted) : std::nullopt;
    if (failed.has_value()) {
      reads.fail(*failed);
    } else {
      reads.provide(bytes_of(wanted));
    }
  }
}

}  // namespace capsuled
