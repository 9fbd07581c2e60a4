#include "bdev/split/split_bdev.h"

#include <cerrno>
#include <utility>

#include "bdev/bdev_layer.h"

namespace capsuled {

namespace {

BdevError not_whole_blocks(const char* key, uint64_t bytes, uint32_t block_size) {
  return {EINVAL, key,
          "expected a multiple of the block size of the base (" + std::to_string(block_size) +
              " bytes) for `" + key + "`, got " + std::to_string(bytes) + " bytes"};
}

}  // namespace

BdevResult make_split_bdev(const SplitBdevOptions& options) {
  const Bdev& below = *options.base->entry()->bdev;
  const BdevFacts& base = below.facts();
  const uint64_t base_bytes = below.block_count() * base.block_size;
  if (options.offset_bytes % base.block_size != 0) {
    return not_whole_blocks("offset", options.offset_bytes, base.block_size);
  }
  if (options.bytes % base.block_size != 0) {
    return not_whole_blocks("size", options.bytes, base.block_size);
  }
  if (options.offset_bytes >= base_bytes) {
    return BdevError{EINVAL, "offset",
                     "expected less than the size of the base (" + std::to_string(base_bytes) +
                         " bytes) for `offset`, got " + std::to_string(options.offset_bytes) +
                         " bytes"};
  }
  const uint64_t left = base_bytes - options.offset_bytes;
  if (options.bytes > left) {
    return BdevError{EINVAL, "size",
                     "expected at most what the base has behind `offset` (" + std::to_string(left) +
                         " bytes) for `size`, got " + std::to_string(options.bytes) + " bytes"};
  }
  const uint64_t first_block = options.offset_bytes / base.block_size;
  const uint64_t block_count = (options.bytes == 0 ? left : options.bytes) / base.block_size;
  return std::unique_ptr<Bdev>(std::make_unique<RangeBdev>(
      layer_facts(base, options.name, "split", first_block, block_count),
      BdevBase{options.base, {options.access, first_block, first_block + block_count}},
      options.bytes == 0 ? RangeBdev::End::OfBase : RangeBdev::End::Fixed));
}

const BdevKind kSplitKind{
    "split", [](const BdevContext& context, BdevParameters& parameters) -> BdevResult {
      const SplitBdevOptions options{
          .name = parameters.name(),
          .base = base_of(context, parameters),
          .access = context.claim ? BdevAccess::ExclusiveWriter : BdevAccess::None,
          .offset_bytes = parameters.number("offset"),
          .bytes = parameters.number("size")};
      if (auto error = parameters.error()) return *std::move(error);
      return make_split_bdev(options);
    }};

}  // namespace capsuled
