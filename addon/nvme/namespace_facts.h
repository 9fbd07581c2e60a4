// NamespaceFacts: what a host came to know of a namespace, and of the controller that has it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "wire/identify.h"

namespace capsuled::nvme {

struct NamespaceFacts {
  // Of the controller.
  uint32_t transfer_bytes_max = 0;  ///< MDTS; UINT32_MAX: no limit
  uint32_t in_capsule_bytes = 0;    ///< that an I/O capsule may carry
  uint16_t io_entries = 0;          ///< of each I/O queue, as they were asked for
  uint16_t cntlid = 0;
  uint16_t oacs = 0;            ///< which admin commands it has besides: see wire::Oacs
  uint16_t oncs = 0;            ///< what the controller can besides: see wire::Oncs
  bool volatile_cache = false;  ///< VWC
  uint32_t version = 0;         ///< VER: see wire::kVersion13
  bool reports_access = false;  ///< CMIC: asymmetric namespace access, see wire::AnaState
  uint32_t shutdown_us = 0;     ///< RTD3E: how long its shutdown may take; 0: it does not say
  uint32_t quiesce_ms = 0;      ///< CQT: how long it may still work on what it was given
  uint32_t zero_bytes_max = 0;  ///< of one Write Zeroes: WZSL, or MDTS; UINT32_MAX: no limit
  uint64_t deallocate_blocks_max = UINT64_MAX;  ///< of one range: DMRSL, DMSL; likewise
  bool alive_by_traffic = false;                ///< CTRATT: any command keeps it alive (TBKAS)
  std::string serial;
  std::string model;
  std::string firmware;

  // Of the namespace.
  uint32_t nsid = 0;
  /// For people: why it cannot be used; empty: it can. Then the rest is not known.
  std::string refusal;
  uint32_t block_bytes = 0;
  uint64_t block_count = 0;
  uint32_t boundary_blocks = 0;     ///< NOIOB; 0: none
  uint32_t access_group = 0;        ///< ANAGRPID; 0: none
  std::array<uint8_t, 16> uuid{};   ///< all zero: it has none
  std::array<uint8_t, 16> nguid{};  ///< likewise
  std::array<uint8_t, 8> eui64{};   ///< likewise

  /// The namespace as it says it is, by Identify Namespace (CNS 00h).
  void take(const wire::IdentifyNamespace& found);
  /// What the controller takes at once, by Identify Controller for the NVM Command Set (CNS 06h).
  void take_limits(const wire::IdentifyNvmController& found, uint32_t page_shift);
  /// Its identifiers, by the Namespace Identification Descriptor list (CNS 03h).
  void take_descriptors(std::span<const std::byte> list);
  /// Of a controller that is known to make them up.
  void forget_ids();
  /// Of one Write Zeroes, which cannot say more than 65,536.
  uint64_t zero_blocks_max() const {
    constexpr uint64_t kMost = 65'536;
    return std::clamp<uint64_t>(zero_bytes_max / block_bytes, 1, kMost);
  }
  /// Whether what is there now has the blocks that were there then: the same controller, the same
  /// identifiers, the same format.
  bool is_same_disk(const NamespaceFacts& then) const;
};

}  // namespace capsuled::nvme
