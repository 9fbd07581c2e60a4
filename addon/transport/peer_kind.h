// PeerKind: the three classes that peers are of; each has its own part of everything. See peers.h.
// src/engine/peer-kind.ts has their names, in this order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/assert.h"

namespace capsuled::transport {

enum class PeerKind : uint8_t { Stranger, Discovery, Host };
inline constexpr size_t kPeerKindCount = 3;

/// Some of them, a bit each.
using PeerKinds = uint32_t;
inline constexpr PeerKinds kAllPeerKinds = (1u << kPeerKindCount) - 1;
constexpr PeerKinds only(PeerKind kind) {
  ASSERT(static_cast<size_t>(kind) < kPeerKindCount);
  return 1u << static_cast<uint32_t>(kind);
}

}  // namespace capsuled::transport
