#include "env/linux/vfio_space.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace capsuled::env {
namespace {

constexpr uint64_t kPageBytes = 4096;

uint64_t whole_pages(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

}  // namespace

// ---- Addresses ---------------------------------------------------------------------------------

bool DmaAddresses::is_free(uint64_t first, uint64_t bytes) const {
  const uint64_t last = first + (bytes - 1);
  if (first == 0 || last < first) return false;
  const bool inside = std::ranges::any_of(
      spans_, [&](const DmaSpan& span) { return span.first <= first && last <= span.last; });
  if (!inside) return false;
  const auto next = taken_.lower_bound(first);
  if (next != taken_.end() && next->first <= last) return false;
  return next == taken_.begin() || std::prev(next)->first + std::prev(next)->second <= first;
}

DmaAddress DmaAddresses::take(DmaAddress wanted, uint64_t bytes) {
  DmaAddress found = kNoDmaAddress;
  if (is_free(wanted, bytes)) {
    found = wanted;
  } else {
    // The lowest free one begins where a span does, or behind something that is taken.
    const auto consider = [&](uint64_t first) {
      if (first < found && is_free(first, bytes)) found = first;
    };
    for (const DmaSpan& span : spans_) consider(std::max(whole_pages(span.first), kPageBytes));
    for (const auto& [address, length] : taken_) consider(address + length);
  }
  if (found != kNoDmaAddress) taken_[found] = bytes;
  return found;
}

void DmaAddresses::give_back(DmaAddress address) {
  ASSERT_MSG(taken_.erase(address) == 1, "an address that was not taken");
}

// ---- The container -----------------------------------------------------------------------------

Result<std::unique_ptr<VfioSpace>> VfioSpace::open(MemoryRegistry& registry) {
  Descriptor fd(::open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));
  if (fd.get() < 0) return Error{errno, "cannot open /dev/vfio/vfio"};
  if (::ioctl(fd.get(), VFIO_GET_API_VERSION) != VFIO_API_VERSION) {
    return Error{ENOTSUP, "this kernel has another version of VFIO"};
  }
  if (::ioctl(fd.get(), VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
    return Error{ENOTSUP, "this kernel has VFIO without an IOMMU of type 1 (vfio_iommu_type1)"};
  }
  return std::unique_ptr<VfioSpace>(new VfioSpace(registry, std::move(fd)));
}

VfioSpace::~VfioSpace() {
  // The mappings go with the container.
  if (addresses_ != nullptr) registry_.unwatch(*this);
}

Result<void> VfioSpace::set_up() {
  if (addresses_ != nullptr) return {};
  if (::ioctl(fd_.get(), VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0) {
    return Error{errno, "the IOMMU cannot be used"};
  }
  addresses_ = std::make_unique<DmaAddresses>(spans());
  registry_.watch(*this);
  return {};
}

/// What the IOMMU translates, without what is reserved for interrupts and the like. A kernel that
/// does not say gets addresses that every IOMMU has.
std::vector<DmaSpan> VfioSpace::spans() const {
  vfio_iommu_type1_info head = {};
  head.argsz = sizeof(head);
  std::vector<DmaSpan> found;
  if (::ioctl(fd_.get(), VFIO_IOMMU_GET_INFO, &head) == 0 && head.argsz > sizeof(head)) {
    std::vector<std::byte> memory(head.argsz);
    auto* const info = reinterpret_cast<vfio_iommu_type1_info*>(memory.data());
    info->argsz = static_cast<uint32_t>(memory.size());
    if (::ioctl(fd_.get(), VFIO_IOMMU_GET_INFO, info) == 0 &&
        (info->flags & VFIO_IOMMU_INFO_CAPS) != 0) {
      for (uint32_t at = info->cap_offset; at != 0;) {
        const auto* const head_of = reinterpret_cast<const vfio_info_cap_header*>(&memory[at]);
        if (head_of->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
          const auto* const ranges =
              reinterpret_cast<const vfio_iommu_type1_info_cap_iova_range*>(head_of);
          for (uint32_t index = 0; index < ranges->nr_iovas; ++index) {
            found.push_back({ranges->iova_ranges[index].start, ranges->iova_ranges[index].end});
          }
        }
        at = head_of->next;
      }
    }
  }
  constexpr DmaSpan kAnywhere{kPageBytes, (uint64_t{1} << 31) - 1};
  if (found.empty()) found.push_back(kAnywhere);
  return found;
}

void VfioSpace::memory_added(const MemoryRange& range) {
  const uint64_t bytes = whole_pages(range.bytes);
  const auto here = reinterpret_cast<uintptr_t>(range.base);
  const DmaAddress address = addresses_->take(here, bytes);
  if (address == kNoDmaAddress) {
    refuse(range, ENOSPC);
    return;
  }
  vfio_iommu_type1_dma_map request = {};
  request.argsz = sizeof(request);
  request.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
  request.vaddr = here;
  request.iova = address;
  request.size = bytes;
  if (::ioctl(fd_.get(), VFIO_IOMMU_MAP_DMA, &request) != 0) {
    refuse(range, errno);
    addresses_->give_back(address);
    return;
  }
  now_.add({range.base, range.bytes, address});
  map_.set(now_);
}

void VfioSpace::refuse(const MemoryRange& range, int errnum) {
  const std::lock_guard lock(refused_mutex_);
  refused_[range.base] = errnum;
}

int VfioSpace::refused() const {
  const std::lock_guard lock(refused_mutex_);
  return refused_.empty() ? 0 : refused_.begin()->second;
}

void VfioSpace::memory_removed(const MemoryRange& range) {
  {
    const std::lock_guard lock(refused_mutex_);
    refused_.erase(range.base);
  }
  const DmaRange* const known = now_.find(range.base, range.bytes);
  if (known == nullptr) return;
  const DmaAddress address = known->at(range.base);
  now_.remove(range.base);
  map_.set(now_);
  vfio_iommu_type1_dma_unmap request = {};
  request.argsz = sizeof(request);
  request.iova = address;
  request.size = whole_pages(range.bytes);
  ASSERT_MSG(::ioctl(fd_.get(), VFIO_IOMMU_UNMAP_DMA, &request) == 0, "memory stays mapped");
  addresses_->give_back(address);
}

}  // namespace capsuled::env
