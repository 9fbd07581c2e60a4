#include "bdev/nvme/nvme_facts.h"

#include <algorithm>

#include "bdev/nvme/reported_writes.h"
#include "reactor/buffer_pool.h"
#include "wire/identify.h"

namespace capsuled {

BdevFacts nvme_bdev_facts(const nvme::NamespaceFacts& found, const std::string& name,
                          const char* kind) {
  const auto can = [&](uint16_t command) { return (found.oncs & command) != 0; };
  BdevFacts facts;
  facts.name = name;
  facts.kind = kind;
  facts.block_size = found.block_bytes;
  facts.block_count = found.block_count;
  facts.transfer_bytes_max = std::min(found.transfer_bytes_max, kTransferBytesMax);
  facts.boundary_blocks = found.boundary_blocks;
  facts.zero_blocks_max = found.zero_blocks_max();
  facts.unmap_blocks_max = std::min(found.deallocate_blocks_max, ReportedWrites::kBlocksMax);
  facts.can_unmap = can(wire::Oncs::Nvmdsmsv::mask<uint16_t>());
  facts.can_write_zeroes = can(wire::Oncs::Nvmwzsv::mask<uint16_t>());
  facts.can_compare = can(wire::Oncs::Nvmcmps::mask<uint16_t>());
  facts.volatile_cache = found.volatile_cache;
  facts.has_device = true;
  return facts;
}

}  // namespace capsuled
