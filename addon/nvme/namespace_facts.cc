#include "nvme/namespace_facts.h"

#include <algorithm>
#include <cstring>

namespace capsuled::nvme {
namespace {

constexpr uint8_t kLbadsMin = 9;
constexpr uint8_t kLbadsMax = 16;
/// With the largest of them that is 2^63 bytes.
constexpr uint64_t kBlocksMax = uint64_t{1} << 47;

bool is_usable(const wire::LbaFormat& format) {
  return format.ms.get() == 0 && format.lbads >= kLbadsMin && format.lbads <= kLbadsMax;
}

uint32_t format_index(const wire::IdentifyNamespace& found) {
  return wire::Flbas::Fidxl::get(found.flbas) |
         static_cast<uint32_t>(wire::Flbas::Fidxu::get(found.flbas)) << 4;
}

/// What it has, and which of its formats would do.
std::string format_refusal(const wire::IdentifyNamespace& found, uint32_t nsid) {
  const wire::LbaFormat& has = found.lbaf[format_index(found)];
  std::string words = "namespace " + std::to_string(nsid) + " has blocks of ";
  words +=
      has.lbads < 32 ? std::to_string(uint64_t{1} << has.lbads) : "2^" + std::to_string(has.lbads);
  words += " bytes";
  if (has.ms.get() != 0) words += " with " + std::to_string(has.ms.get()) + " bytes of metadata";
  words += "; expected 512 to 65536 bytes without metadata";
  std::string formats;
  for (uint32_t index = 0; index <= found.nlbaf && index < found.lbaf.size(); ++index) {
    if (!is_usable(found.lbaf[index])) continue;
    formats += formats.empty() ? ": format " : ", or ";
    formats +=
        std::to_string(index) + " (" + std::to_string(1u << found.lbaf[index].lbads) + " bytes)";
  }
  if (formats.empty()) return words + ", and it has no such format";
  return words + formats + ". `nvme format --lbaf=` gives it one, and erases it";
}

}  // namespace

void NamespaceFacts::take(const wire::IdentifyNamespace& found) {
  if (found.nsze.get() == 0) {
    refusal = "there is no namespace " + std::to_string(nsid);
    return;
  }
  if (found.nsze.get() > kBlocksMax) {
    refusal = "namespace " + std::to_string(nsid) + " says that it has more blocks than any can";
    return;
  }
  const wire::LbaFormat& format = found.lbaf[format_index(found)];
  if (!is_usable(format)) {
    refusal = format_refusal(found, nsid);
    return;
  }
  if (transfer_bytes_max < 1u << format.lbads) {
    refusal = "namespace " + std::to_string(nsid) + " has blocks of " +
              std::to_string(1u << format.lbads) + " bytes, and the controller takes only " +
              std::to_string(transfer_bytes_max) + " bytes at once (MDTS)";
    return;
  }
  refusal.clear();
  block_bytes = 1u << format.lbads;
  block_count = found.nsze.get();
  boundary_blocks = found.noiob.get();
  access_group = found.anagrpid.get();
  nguid = found.nguid;
  eui64 = found.eui64;
}

void NamespaceFacts::take_limits(const wire::IdentifyNvmController& found, uint32_t page_shift) {
  const uint32_t shift = page_shift + found.wzsl;
  if (found.wzsl != 0) zero_bytes_max = shift > 31 ? UINT32_MAX : 1u << shift;
  if (found.dmrsl.get() != 0) deallocate_blocks_max = found.dmrsl.get();
  if (found.dmsl.get() != 0) {
    deallocate_blocks_max = std::min(deallocate_blocks_max, found.dmsl.get());
  }
}

void NamespaceFacts::take_descriptors(std::span<const std::byte> list) {
  size_t at = 0;
  while (at + sizeof(wire::NamespaceIdDescriptor) <= list.size()) {
    const auto& header = wire::view_as<wire::NamespaceIdDescriptor>(list.subspan(at));
    if (header.nidl == 0) return;
    at += sizeof(header);
    if (at + header.nidl > list.size()) return;
    const auto take = [&](auto& into) {
      if (header.nidl == into.size()) std::memcpy(into.data(), &list[at], into.size());
    };
    switch (static_cast<wire::NamespaceIdType>(header.nidt)) {
      case wire::NamespaceIdType::kUuid: take(uuid); break;
      case wire::NamespaceIdType::kNguid: take(nguid); break;
      case wire::NamespaceIdType::kEui64: take(eui64); break;
      default: break;
    }
    at += header.nidl;
  }
}

void NamespaceFacts::forget_ids() {
  uuid = {};
  nguid = {};
  eui64 = {};
}

bool NamespaceFacts::is_same_disk(const NamespaceFacts& then) const {
  return refusal.empty() && serial == then.serial && model == then.model && nsid == then.nsid &&
         block_bytes == then.block_bytes && uuid == then.uuid && nguid == then.nguid &&
         eui64 == then.eui64;
}

}  // namespace capsuled::nvme
